#include "gateway/http2/codes.h"

#include <iterator>

namespace sluice::http2 {
namespace {

constexpr char kGoawayType = 7;

void append_number(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

class CodeCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "http2"; }
  std::string message(int value) const override {
    return "the stream was reset: " + std::string(name_of(static_cast<Code>(value)));
  }
};

const CodeCategory kCategory;

}  // namespace

// NO_ERROR is 0, and a std::error_code of 0 is no error.
std::error_code error_of(Code code) noexcept {
  return {static_cast<int>(code == Code::no_error ? Code::cancel : code), kCategory};
}

bool is_reset(const std::error_code& error) noexcept { return error.category() == kCategory; }

std::string_view name_of(Code code) noexcept {
  static constexpr std::string_view kNames[] = {"NO_ERROR",
                                                "PROTOCOL_ERROR",
                                                "INTERNAL_ERROR",
                                                "FLOW_CONTROL_ERROR",
                                                "SETTINGS_TIMEOUT",
                                                "STREAM_CLOSED",
                                                "FRAME_SIZE_ERROR",
                                                "REFUSED_STREAM",
                                                "CANCEL",
                                                "COMPRESSION_ERROR",
                                                "CONNECT_ERROR",
                                                "ENHANCE_YOUR_CALM",
                                                "INADEQUATE_SECURITY",
                                                "HTTP_1_1_REQUIRED"};
  const auto number = static_cast<std::uint32_t>(code);
  return number < std::size(kNames) ? kNames[number] : "UNKNOWN";
}

void append_goaway(std::string& out, StreamId last, Code code) {
  static constexpr char kHeader[] = {0, 0, 8, kGoawayType, 0, 0, 0, 0, 0};
  out.append(kHeader, sizeof kHeader);
  append_number(out, static_cast<std::uint32_t>(last));
  append_number(out, static_cast<std::uint32_t>(code));
}

}  // namespace sluice::http2
