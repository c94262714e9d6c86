// The path of a request on its way to the upstream, by a route's `rewrite`. A pure function of its arguments;
// no I/O, so that it can be fuzzed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/route_config.h"

namespace sluice::proxy {

// What the upstream is asked for, when the client's normalised path is `path`: that itself, a part of it, or
// a view into `storage`. Nothing when the result would not be a normalised path (one that does not begin with
// a slash, a dot segment, `//`, half an escape): a rule must not let a client's path become what
// normalize_path() refuses or changes.
std::optional<std::string_view> rewrite_path(const config::Rewrite& rewrite, std::string_view path,
                                             std::string& storage);

}  // namespace sluice::proxy
