// Why a request goes to one route and not to the others, in words for people. Everything is asked of the
// functions that match requests, so that what is explained is what happens. Off the path of requests.
#pragma once

#include <string>
#include <vector>

#include "gateway/routing/route_table.h"

namespace sluice::routing {

struct Verdict {
  enum class Kind { chosen, unmet, less_specific } kind = Kind::unmet;
  std::string reason;  // empty for the chosen one
};

// One for each of the table's routes.
std::vector<Verdict> verdicts(const RouteTable& table, const RouteInput& input);

}  // namespace sluice::routing
