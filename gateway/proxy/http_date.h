// The current time as an HTTP date (RFC 9110 5.6.7), made once a second and thread.
#pragma once

#include <string_view>

namespace sluice::proxy {

// Valid until the thread's next call.
std::string_view http_date();

}  // namespace sluice::proxy
