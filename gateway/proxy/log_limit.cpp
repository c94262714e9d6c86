#include "gateway/proxy/log_limit.h"

#include <algorithm>

#include "metrics/log.h"

namespace sluice::proxy {

bool LogLimit::admit(std::string_view kind) {
  if (!period_.is_set()) period_.set_after(std::chrono::milliseconds(kPeriod));
  auto found =
      std::find_if(kinds_.begin(), kinds_.end(), [kind](const Kind& one) { return one.name == kind; });
  if (found == kinds_.end()) found = kinds_.insert(found, {std::string(kind)});
  if (found->lines == kLines) {
    ++found->left_out;
    return false;
  }
  ++found->lines;
  return true;
}

void LogLimit::end_period() {
  for (const Kind& kind : kinds_) {
    if (kind.left_out == 0) continue;
    metrics::log().warn("and {} more like this in the last {} s: {}", kind.left_out,
                       kPeriod.count(), kind.name);
  }
  kinds_.clear();
}

}  // namespace sluice::proxy
