#include <algorithm>

#include "config/visible.h"
#include "gateway/commands/explanation.h"

namespace sluice::commands {
namespace {

constexpr std::size_t kLabelWidth = 12;
constexpr std::size_t kWidestColumn = 39;

void line(std::string& out, const char* label, const std::string& text) {
  if (text.empty()) return;
  std::string padded = label;
  padded.resize(kLabelWidth, ' ');
  out += padded + text + "\n";
}

// A heading with indented rows below it; nothing when there are none. Second columns begin at the same place.
void table(std::string& out, const char* heading, const Pairs& rows) {
  if (rows.empty()) return;
  std::size_t width = 0;
  for (const auto& [first, second] : rows) width = std::max(width, std::min(first.size(), kWidestColumn));
  out.append("\n").append(heading).append("\n");
  for (const auto& [first, second] : rows) {
    std::string padded = first;
    padded.resize(std::max(width, first.size()), ' ');
    out += "  " + padded + "  " + second + "\n";
  }
}

void lines(std::string& out, const char* heading, const std::vector<std::string>& rows) {
  if (rows.empty()) return;
  out.append("\n").append(heading).append("\n");
  for (const std::string& row : rows) out += "  " + row + "\n";
}

std::vector<std::string> field_lines(const Pairs& fields) {
  std::vector<std::string> rows;
  for (const auto& [name, value] : fields) rows.push_back(name + ": " + value);
  return rows;
}

std::string client_text(const ClientView& client) {
  if (!client.trusted) return client.address + ", no trusted proxy";
  return client.address + ", a trusted proxy: taken for " + client.believed + " over " + client.scheme;
}

// Nothing where HTTP/1.1 is all that there is.
std::string spoken_text(const ClientView& client) {
  if (!client.may_choose) return client.http2 ? "speaks HTTP/2" : "";
  return client.http2 ? "speaks HTTP/2 (--protocol http/1.1: the other)" : "speaks HTTP/1.1 (--protocol h2: HTTP/2)";
}

std::string answer_text(const LocalAnswer& answer) {
  const std::string status = std::to_string(answer.status) + " " + answer.reason + ", by the gateway itself";
  return answer.sentence.empty() ? status : status + ": " + answer.sentence;
}

void append_answer(std::string& out, const LocalAnswer& answer) {
  line(out, "Answer", answer_text(answer));
  std::vector<std::string> rows = field_lines(answer.fields);
  rows.push_back(answer.body_size == 0 ? "no body"
                                       : "a body of " + std::to_string(answer.body_size) + " bytes");
  lines(out, "The client gets", rows);
}

void append_destination(std::string& out, const char* title, const Destination& to, bool websocket) {
  std::string endpoints;
  for (const std::string& endpoint : to.endpoints) endpoints += (endpoints.empty() ? "" : ", ") + endpoint;
  line(out, title, to.upstream + (to.share.empty() ? "" : " (" + to.share + ")") + ": " + endpoints);
  line(out, "", to.balance + ", tries in all: " + std::to_string(to.attempts));
  line(out, "", protocols_text(to.protocols, websocket));
}

void append_head(std::string& out, const char* heading, const OutgoingHead& head) {
  std::vector<std::string> rows = field_lines(head.fields);
  rows.insert(rows.begin(), head.request_line);
  lines(out, heading, rows);
}

// Where both are possible, a request has the same fields in either but for TE, and is told once; the handshake of a WebSocket has not.
void append_heads(std::string& out, const Forwarded& forwarded, bool websocket) {
  if (!forwarded.http2) return append_head(out, "The backend gets", *forwarded.http1);
  if (!forwarded.http1) return append_head(out, "The backend gets", *forwarded.http2);
  if (websocket) {
    append_head(out, "The backend gets, over HTTP/2", *forwarded.http2);
    return append_head(out, "or, over HTTP/1.1", *forwarded.http1);
  }
  const bool has_te = forwarded.http2->fields.back().first == "te";
  const std::string heading = std::string("The backend gets, over HTTP/2 (HTTP/1.1: the same") + (has_te ? " without te)" : ")");
  append_head(out, heading.c_str(), *forwarded.http2);
}

void append_forwarded(std::string& out, const Forwarded& forwarded, bool websocket) {
  for (const Destination& to : forwarded.to) append_destination(out, "Upstream", to, websocket);
  if (forwarded.mirror) append_destination(out, "Mirror", *forwarded.mirror, false);
  if (forwarded.sticky) line(out, "", "a client stays with its upstream (split.sticky)");
  append_heads(out, forwarded, websocket);
}

void append_routes(std::string& out, const std::vector<RouteLine>& routes) {
  Pairs rows;
  for (const RouteLine& route : routes) {
    if (route.verdict.kind != routing::Verdict::Kind::chosen)
      rows.emplace_back(route.name, route.verdict.reason);
  }
  table(out, rows.size() == routes.size() ? "Why no route matches" : "Why no other route", rows);
}

}  // namespace

std::string to_text(const Explanation& explanation) {
  std::string out = explanation.request + "\n\n";
  line(out, "Listener", explanation.listener);
  line(out, "Client", client_text(explanation.client));
  line(out, "", spoken_text(explanation.client));
  line(out, "Path", explanation.path);
  if (explanation.websocket) line(out, "Upgrade", "to a WebSocket");
  if (!explanation.routes.empty()) line(out, "Route", explanation.route.empty() ? "none" : explanation.route);
  if (explanation.answer) append_answer(out, *explanation.answer);
  if (explanation.forwarded) append_forwarded(out, *explanation.forwarded, explanation.websocket);
  lines(out, "Rules for the request's headers, applied already", explanation.request_rules);
  lines(out, "Rules for the response's headers", explanation.response_rules);
  table(out, "In force", explanation.in_force);
  table(out, "Only observed, not in force", explanation.observed);
  append_routes(out, explanation.routes);
  lines(out, "Note", explanation.notes);
  return config::visible(out);  // what was asked for may hold anything
}

}  // namespace sluice::commands
