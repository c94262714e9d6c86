#include "gateway/commands/tap_command.h"

#include <nlohmann/json.hpp>

#include "config/visible.h"
#include "gateway/commands/admin_client.h"
#include "gateway/commands/trial_request.h"

namespace sluice::commands {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPatience{620};  // the gateway shows ten minutes at most

std::string payload_text(const Json& frame) {
  std::string text;
  if (frame.contains("text")) config::append_visible(text, frame.at("text").get<std::string>());
  if (frame.contains("base64")) text = "base64 " + frame.at("base64").get<std::string>();
  if (frame.contains("shown")) text += " [...]";
  return text.empty() ? "" : "  " + text;
}

std::string frame_text(const Json& frame) {
  std::string text = frame.at("time").get<std::string>() + "  from " + frame.at("from").get<std::string>() + "  " +
                     frame.at("opcode").get<std::string>() + "  " + std::to_string(frame.at("length").get<std::uint64_t>()) + " B";
  if (!frame.at("fin").get<bool>()) text += "  to be continued";
  if (frame.value("compressed", false)) text += "  compressed";
  return text + payload_text(frame);
}

std::string as_text(const std::string& line) {
  const Json event = Json::parse(line);
  const std::string name = event.at("event").get<std::string>();
  if (name == "frame") return frame_text(event);
  if (name == "missed") return "missed " + std::to_string(event.at("frames").get<std::uint64_t>()) + " frames: they came faster than they were read";
  if (name == "end") return "end: " + event.at("why").get<std::string>();
  return "WebSocket " + event.at("id").get<std::string>() + " of " + event.at("client_ip").get<std::string>() + ", route " +
         event.at("route").get<std::string>() + ": " + event.at("shows").get<std::string>();
}

}  // namespace

void tap_command(const TapOptions& options, std::ostream& out) {
  const std::string time = options.time.empty() ? "" : "?for=" + url_escaped(options.time);
  std::string end;
  const auto print = [&](const std::string& line) {
    try {
      out << (options.json ? line : as_text(line)) << std::endl;
      if (line.starts_with(R"({"event":"end")")) end = line;
    } catch (const Json::exception&) {
      throw UnreachableError(options.admin + " answers with something that is no tap; is it a Sluice of this version?");
    }
  };
  const AdminResponse response = follow_gateway(options.admin, "/sockets/" + url_escaped(options.id) + "/tap" + time, kPatience, print);
  if (response.status == 200 && end.empty()) throw UnreachableError("the gateway at " + options.admin + " has ended the tap");
  if (response.status == 200) return;
  if (response.status == 400 || response.status == 404) throw InputError(response.body.substr(0, response.body.find('\n')));
  throw UnreachableError(options.admin + " answers " + std::to_string(response.status) + ": " + response.body);
}

}  // namespace sluice::commands
