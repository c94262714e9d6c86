// For gtest's messages.
#pragma once

#include <ostream>

#include "gateway/http/parse_error.h"

namespace sluice::http {

inline void PrintTo(ParseError error, std::ostream* out) { *out << name_of(error); }

}  // namespace sluice::http
