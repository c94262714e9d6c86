// `admin`, `access_log` and `log`.
#include <algorithm>

#include "config/address.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

// Never quotes the text: it is a secret.
Fault parse_token(const std::string& text, std::string& token) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!visible) return Fault("has spaces or characters outside ASCII; expected a text that fits in a header");
  token = text;
  return std::nullopt;
}

}  // namespace

const Table<Admin>& admin_table() {
  static const Table<Admin> table{
      parsed("address", &Admin::address, parse_address, "an address such as 127.0.0.1:9901"),
      parsed("token", &Admin::token, parse_token, "a text"),
  };
  return table;
}

const Table<AccessLog>& access_log_table() {
  static const Table<AccessLog> table{
      file_path("file", &AccessLog::file, false),
      word("format", &AccessLog::format,
           {{"json", AccessLogFormat::json},
            {"combined", AccessLogFormat::combined},
            {"off", AccessLogFormat::off}}),
  };
  return table;
}

const Table<Log>& log_table() {
  static const Table<Log> table{
      word("level", &Log::level,
           {{"trace", LogLevel::trace},
            {"debug", LogLevel::debug},
            {"info", LogLevel::info},
            {"warn", LogLevel::warn},
            {"error", LogLevel::error}}),
      word("format", &Log::format, {{"text", LogFormat::text}, {"json", LogFormat::json}}),
  };
  return table;
}

}  // namespace sluice::config
