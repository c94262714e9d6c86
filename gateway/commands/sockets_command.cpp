#include "gateway/commands/sockets_command.h"

#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "config/counted.h"
#include "config/value_text.h"
#include "config/visible.h"
#include "gateway/commands/admin_client.h"
#include "gateway/commands/trial_request.h"

namespace sluice::commands {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPatience{20};  // the gateway waits ten for its workers

constexpr char kNoList[] = " answers to /sockets with something that is no list of WebSockets; is it a Sluice of this version?";

std::string target_of(const SocketsOptions& options) {
  std::vector<std::pair<const char*, std::string>> given = {
      {"route", options.route},         {"client", options.client},           {"endpoint", options.endpoint}, {"older_than", options.older_than},
      {"idle_for", options.idle_for},   {"faster_than", options.faster_than}, {"limit", options.limit},       {"code", options.code},
      {"reason", options.reason},       {"over", options.over},               {"all", options.all ? "true" : ""}};
  std::string target = "/sockets";
  if (!options.id.empty()) target += "/" + url_escaped(options.id);
  char separator = '?';
  for (const auto& [name, value] : given) {
    if (value.empty()) continue;
    target += std::exchange(separator, '&') + std::string(name) + "=" + url_escaped(value);
  }
  return target;
}

std::string duration_of(const Json& milliseconds) {
  const std::int64_t seconds = milliseconds.get<std::int64_t>() / 1000;
  if (seconds >= 48 * 3600) return std::to_string(seconds / 86400) + "d" + std::to_string(seconds / 3600 % 24) + "h";
  if (seconds >= 3600) return std::to_string(seconds / 3600) + "h" + std::to_string(seconds / 60 % 60) + "m";
  if (seconds >= 60) return std::to_string(seconds / 60) + "m" + std::to_string(seconds % 60) + "s";
  return std::to_string(seconds) + "s";
}

std::string size_of(const Json& direction) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::uint64_t size = direction.at("bytes").get<std::uint64_t>();
  std::size_t unit = 0;
  for (; size >= 10240 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return std::to_string(size) + kUnits[unit];
}

std::string rate_of(const Json& direction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f/s", direction.at("messages_per_second").get<double>());
  return text;
}

// `HTTP/2.0` as `2`; an older gateway does not tell.
std::string version_of(const Json& socket, const char* name) {
  std::string version = socket.value(name, "-");
  if (version.starts_with("HTTP/")) version.erase(0, 5);
  return config::visible(version == "2.0" ? "2" : version);
}

using Row = std::vector<std::string>;

Row row_of(const Json& socket) {
  const Json& to_client = socket.at("to_client");
  const Json& to_upstream = socket.at("to_upstream");
  return {socket.at("id").get<std::string>(),
          config::visible(socket.value("route", "-")),
          config::visible(socket.value("client_ip", "-")),
          duration_of(socket.at("age_ms")),
          duration_of(socket.at("idle_ms")),
          rate_of(to_client),
          rate_of(to_upstream),
          size_of(to_client),
          size_of(to_upstream),
          socket.at("closing").get<bool>() ? "closing" : "open",
          version_of(socket, "version") + ">" + version_of(socket, "upstream_version"),
          config::visible(socket.value("endpoint", "-")),
          config::visible(socket.value("target", "-"))};
}

// One line for each, in columns that are as wide as what stands in them.
std::string table_of(const std::vector<Row>& rows, std::size_t width) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    if (width > 0 && line.size() > width) line.resize(width);
    text += line + "\n";
  }
  return text;
}

std::string silent_text(const Json& list) {
  std::string text;
  for (const Json& worker : list.value("silent_workers", Json::array())) {
    text += "worker " + std::to_string(worker.get<std::uint64_t>()) + " does not answer: its WebSockets are missing here\n";
  }
  return text;
}

std::string as_text(const Json& list, std::size_t width) {
  std::vector<Row> rows = {{"ID", "ROUTE", "CLIENT", "AGE", "IDLE", "OUT", "IN", "OUT", "IN", "STATE", "HTTP", "ENDPOINT", "TARGET"}};
  for (const Json& socket : list.at("sockets")) rows.push_back(row_of(socket));
  const std::uint64_t matched = list.at("matched").get<std::uint64_t>();
  const std::uint64_t shown = list.at("shown").get<std::uint64_t>();
  std::string text = shown > 0 ? table_of(rows, width) : "no WebSocket matches\n";
  if (matched > shown) text += "the " + std::to_string(shown) + " oldest of " + std::to_string(matched) + "; --limit shows more\n";
  return text + silent_text(list);
}

std::string closing_text(const Json& answer) {
  const std::uint64_t matched = answer.at("matched").get<std::uint64_t>();
  const std::uint64_t told = answer.at("told").get<std::uint64_t>();
  std::string text = config::counted(told, "WebSocket") + " told to close";
  if (matched > told) text += ", " + std::to_string(matched - told) + " closing already";
  return text + "\n" + silent_text(answer);
}

}  // namespace

std::string sockets_command(const SocketsOptions& options, std::size_t width) {
  const AdminResponse response = ask_gateway(options.admin, options.close ? "DELETE" : "GET", target_of(options), kPatience);
  if (response.status == 400 || response.status == 404) throw InputError(response.body.substr(0, response.body.find('\n')));
  if (response.status != 200) {
    throw UnreachableError(options.admin + " answers " + std::to_string(response.status) + " to /sockets: " + response.body);
  }
  if (options.json) return response.body;
  try {
    const Json answer = Json::parse(response.body);
    return options.close ? closing_text(answer) : as_text(answer, width);
  } catch (const Json::exception&) {
    throw UnreachableError(options.admin + kNoList);
  }
}

}  // namespace sluice::commands
