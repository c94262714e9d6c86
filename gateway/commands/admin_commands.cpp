#include "gateway/commands/admin_commands.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "config/counted.h"
#include "config/protocol_names.h"
#include "gateway/commands/admin_client.h"
#include "gateway/commands/trial_request.h"

namespace sluice::commands {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kReloadPatience{60};  // it may have to resolve names

constexpr std::chrono::milliseconds kPoll{300};
constexpr int kMostFailures = 3;  // in a row, while it drains

using Json = nlohmann::json;

AdminResponse ask(const std::string& admin, const char* method, const char* path, std::chrono::seconds patience, unsigned expected) {
  AdminResponse response = ask_gateway(admin, method, path, patience);
  if (response.status == expected) return response;
  throw UnreachableError(admin + " answers " + std::to_string(response.status) + " to " + method + " " + path + ": " + response.body);
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 2), ' ');
  return text;
}

std::string number(const Json& value) { return std::to_string(value.get<std::int64_t>()); }

std::string counted(const Json& value, const char* noun) { return config::counted(value.get<std::uint64_t>(), noun); }

// Of a worker's connections; nothing is said where none speaks HTTP/2.
std::string http2_text(const Json& worker) {
  const Json& connections = worker.at("http2_connections");
  if (connections == 0) return {};
  return " (" + std::to_string(connections.get<std::int64_t>()) + " HTTP/2 with " + counted(worker.at("http2_streams"), "stream") + ")";
}

void add_tunnels(std::string& text, const Json& tunnels) {
  if (tunnels.empty()) text += "  none\n";
  for (const Json& one : tunnels) {
    if (one.contains("leaving")) {
      text += "  " + padded("leaving", 60) + number(one.at("open")) + "\n";
      continue;
    }
    const std::string what = "route " + one.at("route").get<std::string>() + " at " + one.at("upstream").get<std::string>() + " " +
                             one.at("endpoint").get<std::string>();
    text += "  " + padded(what, 60) + number(one.at("open")) + "\n";
  }
}

// An older gateway does not tell.
std::string spoken_text(const Json& listener) {
  const std::string names = config::protocol_names(listener.value("protocols", std::vector<std::string>()));
  return names.empty() ? "" : "  " + names;
}

// The bounds of circuit_breaker that an endpoint has reached; an older gateway does not tell.
std::string full_text(const Json& endpoint) {
  std::string text;
  for (const Json& bound : endpoint.value("full", Json::array())) text += "; at " + bound.get<std::string>();
  return text;
}

std::string as_text(const Json& status) {
  const Json& config = status.at("config");
  std::string text = "sluice " + status.at("version").get<std::string>() + ", process " + number(status.at("pid")) + ", started " +
                     status.at("started").get<std::string>() + ": " + status.at("state").get<std::string>() +
                     "\nconfiguration " + number(config.at("generation")) + " of " + config.at("file").get<std::string>() +
                     ", loaded " + config.at("loaded").get<std::string>() + "\n\nlisteners\n";
  for (const Json& one : status.at("listeners")) {
    text += "  " + padded(one.at("name").get<std::string>(), 20) + one.at("address").get<std::string>() +
            (one.at("tls").get<bool>() ? "  TLS" : "") + spoken_text(one) + "\n";
  }
  for (const Json& upstream : status.at("upstreams")) {
    text += "\nupstream " + upstream.at("name").get<std::string>() + "\n";
    for (const Json& one : upstream.at("endpoints")) {
      text += "  " + padded(one.at("url").get<std::string>(), 40) + number(one.at("in_flight")) + " in flight, " +
              number(one.at("idle")) + " idle" +
              (one.at("state") == "out" ? "; out, " + one.at("reason").get<std::string>() : "") + full_text(one) + "\n";
    }
  }
  text += "\nWebSockets\n";
  add_tunnels(text, status.at("tunnels"));
  text += "\nworkers\n";
  std::size_t index = 0;
  for (const Json& one : status.at("workers")) {
    text += "  " + padded(std::to_string(index++), 4) + counted(one.at("connections"), "connection") + http2_text(one) + ", " +
            counted(one.at("tunnels"), "WebSocket") + (one.at("answered").get<bool>() ? "" : ", does not answer") + "\n";
  }
  return text;
}

constexpr char kNoStatus[] = " answers to /status with something that is no status; is it a Sluice of this version?";

// Its number, or nothing when nobody is there.
std::optional<std::int64_t> process_at(const std::string& admin) {
  try {
    return Json::parse(ask(admin, "GET", "/status", kPatience, 200).body).at("pid").get<std::int64_t>();
  } catch (const NobodyError&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    throw UnreachableError(admin + kNoStatus);
  }
}

}  // namespace

std::string reload_command(const std::string& admin) {
  const AdminResponse response = ask_gateway(admin, "POST", "/reload", kReloadPatience);
  if (response.status == 422) throw InputError("the configuration was not reloaded, and nothing has changed:\n" + response.body);
  if (response.status != 200) throw UnreachableError(admin + " answers " + std::to_string(response.status) + ": " + response.body);
  return response.body;
}

std::string drain_command(const std::string& admin, bool wait) {
  const std::optional<std::int64_t> process = wait ? process_at(admin) : std::nullopt;
  std::string answer = ask(admin, "POST", "/drain", kPatience, 202).body;
  if (!wait) return answer;
  int failures = 0;
  for (std::optional<std::int64_t> now = process; now == process;) {
    std::this_thread::sleep_for(kPoll);
    try {
      now = process_at(admin);
      failures = 0;
    } catch (const UnreachableError&) {  // it may have closed in the middle of this; then nobody is there the next time
      if (++failures == kMostFailures) throw;
    }
  }
  return answer + "the gateway has ended\n";
}

std::string status_command(const std::string& admin, bool json) {
  const std::string body = ask(admin, "GET", "/status", kPatience, 200).body;
  if (json) return body;
  try {
    return as_text(Json::parse(body));
  } catch (const Json::exception&) {
    throw UnreachableError(admin + kNoStatus);
  }
}

}  // namespace sluice::commands
