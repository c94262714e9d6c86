#include "gateway/admin/tap_lines.h"

#include <openssl/evp.h>

#include <nlohmann/json.hpp>

#include "metrics/log_text.h"

namespace sluice::admin {
namespace {

using Json = nlohmann::ordered_json;
using websocket::Opcode;
using Text = websocket::SocketIdentity::Text;

constexpr std::size_t kLongestCharacter = 4;  // in UTF-8

std::string_view name_of(Opcode opcode) {
  switch (opcode) {
    case Opcode::continuation: return "continuation";
    case Opcode::text: return "text";
    case Opcode::binary: return "binary";
    case Opcode::close: return "close";
    case Opcode::ping: return "ping";
    case Opcode::pong: return "pong";
  }
  return "reserved";
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// As text what is text. One that was cut may end within a character.
void add_payload(Json& json, const websocket::TappedFrame& frame) {
  std::string_view shown = *frame.payload;
  const bool cut = frame.length > shown.size();
  const bool may_be_text = frame.opcode == Opcode::text && !frame.compressed;
  std::string_view text = shown;
  for (std::size_t i = 1; may_be_text && cut && i < kLongestCharacter && !websocket::is_utf8(text); ++i) text.remove_suffix(1);
  const bool is_text = may_be_text && websocket::is_utf8(text);
  if (cut) json["shown"] = is_text ? text.size() : shown.size();
  if (is_text) {
    json["text"] = text;
  } else {
    json["base64"] = base64(shown);
  }
}

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string tap_begin_line(const websocket::SocketIdentity& identity, config::Tap shows) {
  return line_of({{"event", "begin"},
                  {"id", identity.id().text()},
                  {"route", identity[Text::route]},
                  {"client_ip", identity[Text::client_ip]},
                  {"endpoint", identity[Text::endpoint]},
                  {"shows", shows == config::Tap::payload ? "payload" : "headers"}});
}

std::string tap_frame_line(const websocket::TappedFrame& frame) {
  std::string time;
  metrics::append_utc_time(time, frame.time);
  Json json{{"event", "frame"},
            {"time", std::move(time)},
            {"from", metrics::name_of(frame.sender)},
            {"opcode", name_of(frame.opcode)},
            {"fin", frame.final},
            {"rsv", frame.reserved_bits >> 4},
            {"masked", frame.masked},
            {"length", frame.length}};
  if (frame.compressed) json["compressed"] = true;
  if (frame.payload) add_payload(json, frame);
  return line_of(json);
}

std::string tap_missed_line(std::uint64_t frames) { return line_of({{"event", "missed"}, {"frames", frames}}); }

std::string tap_end_line(std::string_view why) { return line_of({{"event", "end"}, {"why", why}}); }

}  // namespace sluice::admin
