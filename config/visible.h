// Text from outside, fit for a terminal and for one line of a message.
#pragma once

#include <string>
#include <string_view>

namespace sluice::config {

// Control characters as \xhh; those of C1 (RFC 3629: 0xC2, then up to 0x9F) are some to a terminal as well.
void append_visible(std::string& out, std::string_view text);
// The same of a text of several lines.
std::string visible(std::string_view text);

}  // namespace sluice::config
