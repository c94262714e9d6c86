#include "upstream/balancing/random_two_choices.h"

namespace sluice::upstream {
namespace {

std::uint64_t weight_of(std::span<const Endpoint> endpoints, const PickHints& hints, std::size_t index, std::size_t taken) {
  return index != taken && is_eligible(endpoints, index, hints) ? endpoints[index].settings.weight : 0;
}

}  // namespace

std::size_t RandomTwoChoices::pick(std::span<const Endpoint> endpoints, const PickHints& hints) {
  std::size_t chosen[2] = {kNone, kNone};
  for (std::size_t& choice : chosen) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < endpoints.size(); ++i) total += weight_of(endpoints, hints, i, chosen[0]);
    if (total == 0) break;
    std::uint64_t at = std::uniform_int_distribution<std::uint64_t>(0, total - 1)(random_);
    for (choice = 0;; ++choice) {
      const std::uint64_t weight = weight_of(endpoints, hints, choice, &choice == chosen ? kNone : chosen[0]);
      if (at < weight) break;
      at -= weight;
    }
  }
  const auto [first, second] = chosen;
  return second != kNone && is_less_loaded(endpoints[second], endpoints[first]) ? second : first;
}

}  // namespace sluice::upstream
