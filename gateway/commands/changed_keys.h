// Which keys of a section differ between two configurations, by name, for `sluice plan`.
#pragma once

#include <span>
#include <string>

#include "config/config.h"

namespace sluice::commands {

template <class T>
struct ComparedKey {
  const char* name;
  bool (*same)(const T& before, const T& next);
};

// The keys in the order of the documentation, but for names that the section goes by. Of an upstream, a route, a listener, limits,
// timeouts, the resolver.
template <class T>
std::span<const ComparedKey<T>> compared_keys();

// Those that differ, with commas in between.
template <class T>
std::string changed_keys(const T& before, const T& next) {
  std::string names;
  for (const ComparedKey<T>& key : compared_keys<T>()) {
    if (!key.same(before, next)) names += (names.empty() ? "" : ", ") + std::string(key.name);
  }
  return names;
}

}  // namespace sluice::commands
