#include "metrics/access_record.h"

#include <array>
#include <charconv>

#include "metrics/log.h"
#include "metrics/log_text.h"

namespace sluice::metrics {

namespace {

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

// Clocks that were set back give no negative durations.
template <class Duration>
std::uint64_t count_of(Duration duration) {
  return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

std::string_view name_of(AccessEvent event) noexcept {
  switch (event) {
    case AccessEvent::request:
      return "request";
    case AccessEvent::tunnel_open:
      return "tunnel_open";
    case AccessEvent::tunnel_close:
      return "tunnel_close";
  }
  return "request";
}

// With the values of secret parameters masked first, so that a cut cannot fall into one.
void append_url(std::string& out, std::string_view url, std::size_t limit, CutText::Print print) {
  CutText text(out, limit, print);
  append_masked(url, [&text](std::string_view part) { text.add(part); });
}

// Words hold no spaces, or the line could be read in two ways.
void print_word(std::string& out, std::string_view text) { append_printable(out, text, " \""); }
void print_quoted(std::string& out, std::string_view text) { append_printable(out, text, "\""); }

// The fields of one JSON object; closed by its destructor.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  ~JsonObject() { out_ += '}'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  std::string& name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    this->name(name) += '"';
    CutText(out_, kMaxText, append_json_escaped).add(value);
    out_ += '"';
  }
  void url(std::string_view name, std::string_view value, std::size_t limit) {
    if (value.empty()) return;
    this->name(name) += '"';
    append_url(out_, value, limit, append_json_escaped);
    out_ += '"';
  }
  void number(std::string_view name, std::uint64_t value) { append_number(this->name(name), value); }
  void stage(std::string_view name, const StageDurations::Duration& duration) {
    if (duration) number(name, count_of(*duration));
  }

 private:
  std::string& out_;
  bool first_ = true;
};

void add_request_fields(JsonObject& object, const AccessRecord& record) {
  object.text("client_ip", record.client_ip);
  object.text("listener", record.listener);
  object.text("tls_version", record.tls_version);
  object.text("sni", record.sni);
  object.text("tls_client_subject", record.client_subject);
  object.text("method", record.method);
  object.text("scheme", record.scheme);
  object.text("host", record.host);
  object.url("target", record.target, kMaxTarget);
  object.text("version", record.version);
  object.number("status", record.status);
  object.number("bytes_received", record.bytes_received);
  object.number("bytes_sent", record.bytes_sent);
  object.url("referer", record.referer, kMaxText);
  object.text("user_agent", record.user_agent);
  object.text("request_id", record.request_id);
  object.text("socket", record.socket);
}

void add_upstream_fields(JsonObject& object, const AccessRecord& record) {
  object.text("route", record.route);
  object.text("upstream", record.upstream);
  object.text("endpoint", record.endpoint);
  object.text("upstream_version", record.upstream_version);
  if (record.attempts > 0) {
    object.number("attempts", record.attempts);
    object.number("retries", record.attempts - 1);
  }
  object.text("failure", record.failure);
  object.text("observed", record.observed);
}

void add_stages(JsonObject& object, const StageDurations& durations) {
  JsonObject stages(object.name("stages_us"));
  stages.stage("read_head", durations.read_head);
  stages.stage("connect", durations.connect);
  stages.stage("send", durations.send);
  stages.stage("wait", durations.wait);
  stages.stage("respond", durations.respond);
  stages.stage("total", durations.total);
}

void add_direction(JsonObject& object, std::string_view name, const TunnelRecord::Direction& direction) {
  JsonObject fields(object.name(name));
  fields.number("frames", direction.frames);
  fields.number("messages", direction.messages);
  fields.number("bytes", direction.bytes);
}

void add_tunnel(JsonObject& object, const TunnelRecord& tunnel) {
  JsonObject fields(object.name("tunnel"));
  fields.number("duration_ms", count_of(tunnel.duration));
  add_direction(fields, "to_client", tunnel.to_client);
  add_direction(fields, "to_upstream", tunnel.to_upstream);
  if (tunnel.close_code != 0) fields.number("close_code", tunnel.close_code);
  fields.text("close_initiator", tunnel.close_initiator);
  fields.text("close_reason", tunnel.close_reason);
  fields.text("violation", tunnel.violation);
  fields.text("violator", tunnel.violator);
}

// A word between spaces.
void append_word(std::string& out, std::string_view text) {
  CutText(out, kMaxText, print_word).add(text.empty() ? "-" : text);
}

void append_quoted_url(std::string& out, std::string_view text) {
  out += '"';
  if (text.empty()) out += '-';
  append_url(out, text, kMaxText, print_quoted);
  out += '"';
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  CutText(out, kMaxText, print_quoted).add(text.empty() ? "-" : text);
  out += '"';
}

void append_two_digits(std::string& out, unsigned value) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

// [31/Jan/2025:09:30:00 +0000]
void append_apache_time(std::string& out, std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  out += '[';
  append_two_digits(out, static_cast<unsigned>(date.day()));
  out += '/';
  out += kMonths[static_cast<unsigned>(date.month()) - 1];
  out += '/';
  append_number(out, static_cast<std::uint64_t>(static_cast<int>(date.year())));
  out += ':';
  append_two_digits(out, static_cast<unsigned>(clock.hours().count()));
  out += ':';
  append_two_digits(out, static_cast<unsigned>(clock.minutes().count()));
  out += ':';
  append_two_digits(out, static_cast<unsigned>(clock.seconds().count()));
  out += " +0000]";
}

void append_request_line(std::string& out, const AccessRecord& record) {
  out += '"';
  if (record.method.empty() && record.version.empty()) {
    out += '-';  // it could not be read
  } else {
    append_word(out, record.method);
    out += ' ';
    if (record.target.empty()) out += '-';
    append_url(out, record.target, kMaxTarget, print_word);
    out += ' ';
    append_word(out, record.version);
  }
  out += '"';
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += ' ';
  out += name;
  out += '=';
  append_word(out, value);
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  out += ' ';
  out += name;
  out += '=';
  append_number(out, value);
}

void append_tunnel(std::string& out, const AccessRecord& record) {
  append_field(out, "event", name_of(record.event));
  append_field(out, "request_id", record.request_id);
  append_field(out, "socket", record.socket);
  append_field(out, "route", record.route);
  append_field(out, "upstream", record.upstream);
  append_field(out, "endpoint", record.endpoint);
  append_field(out, "upstream_version", record.upstream_version);
  if (record.event != AccessEvent::tunnel_close) return;
  const TunnelRecord& tunnel = record.tunnel;
  append_field(out, "duration_ms", count_of(tunnel.duration));
  append_field(out, "frames_to_client", tunnel.to_client.frames);
  append_field(out, "messages_to_client", tunnel.to_client.messages);
  append_field(out, "bytes_to_client", tunnel.to_client.bytes);
  append_field(out, "frames_to_upstream", tunnel.to_upstream.frames);
  append_field(out, "messages_to_upstream", tunnel.to_upstream.messages);
  append_field(out, "bytes_to_upstream", tunnel.to_upstream.bytes);
  if (tunnel.close_code != 0) append_field(out, "close_code", tunnel.close_code);
  append_field(out, "close_initiator", tunnel.close_initiator);
  if (!tunnel.close_reason.empty()) append_field(out, "close_reason", tunnel.close_reason);
  if (!tunnel.violation.empty()) {
    append_field(out, "violation", tunnel.violation);
    append_field(out, "violator", tunnel.violator);
  }
  if (!record.failure.empty()) append_field(out, "failure", record.failure);
  if (!record.observed.empty()) append_field(out, "observed", record.observed);
}

}  // namespace

void format_json(const AccessRecord& record, std::string& out) {
  JsonObject object(out);
  object.name("time") += '"';
  append_utc_time(out, record.time);
  out += '"';
  object.text("event", name_of(record.event));
  add_request_fields(object, record);
  add_upstream_fields(object, record);
  add_stages(object, record.stages);
  if (record.event == AccessEvent::tunnel_close) add_tunnel(object, record.tunnel);
}

void format_combined(const AccessRecord& record, std::string& out) {
  append_word(out, record.client_ip);
  out += " - - ";
  append_apache_time(out, record.time);
  out += ' ';
  append_request_line(out, record);
  out += ' ';
  append_number(out, record.status);
  out += ' ';
  append_number(out, record.bytes_sent);
  out += ' ';
  append_quoted_url(out, record.referer);
  out += ' ';
  append_quoted(out, record.user_agent);
  if (record.event != AccessEvent::request) append_tunnel(out, record);
}

}  // namespace sluice::metrics
