// A line of the access log: valid JSON in valid UTF-8 or words that split where they should, one line in
// either format and no longer than its bound, whatever client and backend send; and no secret of a query, a
// cookie or a token is on it.
#include <nlohmann/json.hpp>
#include <string>

#include "config/config.h"
#include "gateway/http/characters.h"
#include "gateway/http1/request_parser.h"
#include "gateway/proxy/access_log.h"
#include "metrics/log.h"
#include "metrics/log_text.h"
#include "tests/fuzz/check.h"
#include "tests/support/fake_exchange.h"

namespace {

using namespace sluice;

constexpr std::string_view kSecret = "s3cr3tW0rd";

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool is_printable(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

constexpr std::size_t kTimeWord = 3;
constexpr std::size_t kRequestWords = 9;
// Every text at its longest, and 2 KiB for names of fields and numbers.
constexpr std::size_t kLongestLine = 17 * (metrics::kMaxText + metrics::kCutMark.size()) +
                                     metrics::kMaxTarget + metrics::kCutMark.size() + 2048;

// The words of a combined line: between spaces, in quotes, or the time in brackets. Nothing when a quote
// stays open.
std::optional<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size()) {
    const char open = line[at];
    const char close = open == '"' ? '"' : words.size() == kTimeWord ? ']' : ' ';
    std::string word;
    if (close != ' ') ++at;
    for (; at < line.size() && line[at] != close; ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) word += line[at++];
      word += line[at];
    }
    if (close != ' ') {
      if (at == line.size()) return std::nullopt;
      ++at;
    }
    words.push_back(word);
    if (at < line.size() && line[at++] != ' ') return std::nullopt;
  }
  return words;
}

void check_text(std::string_view text) {
  std::string json = "\"";
  metrics::append_json_escaped(json, text);
  json += '"';
  const auto value = nlohmann::json::parse(json, nullptr, false);
  FUZZ_CHECK(!value.is_discarded());
  std::string line;
  metrics::append_one_line(line, text);
  std::string again;
  metrics::append_one_line(again, line);
  FUZZ_CHECK(again == line);  // nothing is left to escape
  FUZZ_CHECK(line.find_first_of("\r\n\x1b") == std::string::npos);
}

// Cut anywhere, a text is still valid JSON or printable, and within the limit; what a tunnel keeps of it is
// cut in the same place.
void check_cut(std::string_view text) {
  const auto print_word = [](std::string& out, std::string_view part) {
    metrics::append_printable(out, part, " \"");
  };
  for (const std::size_t limit : {text.size() / 2, text.size(), std::size_t{7}}) {
    for (const metrics::CutText::Print print :
         {metrics::CutText::Print(metrics::append_json_escaped), metrics::CutText::Print(print_word)}) {
      std::string whole;
      print(whole, text);
      std::string cut = "\"";
      metrics::CutText(cut, limit, print).add(text);
      std::string kept = "\"";
      metrics::CutText(kept, limit, print).add(metrics::looked_at(text, limit));
      FUZZ_CHECK(kept == cut);
      FUZZ_CHECK(whole.size() <= limit ? cut == "\"" + whole : cut.ends_with(metrics::kCutMark));
      FUZZ_CHECK(cut.size() <= 1 + limit + metrics::kCutMark.size());
      const bool json = print == metrics::CutText::Print(metrics::append_json_escaped);
      FUZZ_CHECK(json ? nlohmann::json::accept(cut + '"') : is_printable(cut));
    }
  }
}

// The names of the parameters are the input's; every value of a secret one is kSecret, in several parts.
void check_masked(std::string_view text) {
  const std::string masked = metrics::mask_query(text);
  FUZZ_CHECK(metrics::mask_query(masked) == masked);
  for (const std::string_view name : {"token", "%74oken", "ACCESS_TOKEN", "key", "passw%6frd"}) {
    const std::string target = "/p?" + std::string(text) + "&" + std::string(name) + "=" +
                               std::string(kSecret) + ";" + std::string(kSecret);
    FUZZ_CHECK(!holds(metrics::mask_query(target), kSecret) || holds(text, kSecret));
  }
}

void check_lines(const metrics::AccessRecord& record, bool no_secret) {
  std::string json_line;
  metrics::format_json(record, json_line);
  FUZZ_CHECK(json_line.find_first_of("\r\n") == std::string::npos);
  FUZZ_CHECK(json_line.size() <= kLongestLine);
  const auto json = nlohmann::json::parse(json_line, nullptr, false);
  FUZZ_CHECK(json.is_object() && json.contains("time") && json["event"].is_string());
  FUZZ_CHECK(json["status"] == record.status && json["bytes_sent"] == record.bytes_sent);
  FUZZ_CHECK(json.contains("target") == !record.target.empty());

  std::string combined;
  metrics::format_combined(record, combined);
  FUZZ_CHECK(is_printable(combined) && combined.size() <= kLongestLine);
  const auto words = words_of(combined);
  FUZZ_CHECK(words.has_value());
  const bool of_tunnel = record.event != metrics::AccessEvent::request;
  FUZZ_CHECK(of_tunnel ? words->size() > kRequestWords : words->size() == kRequestWords);
  FUZZ_CHECK((*words)[5] == std::to_string(record.status) &&
             (*words)[6] == std::to_string(record.bytes_sent));
  FUZZ_CHECK(record.method.empty() || std::count((*words)[4].begin(), (*words)[4].end(), ' ') == 2);
  if (no_secret) FUZZ_CHECK(!holds(json_line, kSecret) && !holds(combined, kSecret));
}

// What came over the wire, with secrets where they belong.
void check_request(std::string_view bytes) {
  test::FakeExchange exchange;
  http1::RequestParser parser({});
  exchange.head.clear();
  parser.parse(bytes, exchange.head);
  exchange.head.headers.add("Cookie", kSecret);
  exchange.head.headers.add("Authorization", "Bearer " + std::string(kSecret));
  exchange.record.status = 200;
  check_lines(proxy::describe(exchange, {}), !holds(bytes, kSecret));
}

// One field of the record per line, so that bytes are tried which no parser lets through.
void check_record(std::string_view text) {
  metrics::AccessRecord record;
  std::string_view* const fields[] = {
      &record.client_ip,  &record.listener,       &record.tls_version,
      &record.sni,        &record.client_subject, &record.method,
      &record.scheme,     &record.host,           &record.target,
      &record.version,    &record.referer,        &record.user_agent,
      &record.request_id, &record.socket,         &record.route,
      &record.upstream,   &record.endpoint,       &record.failure,
      &record.tunnel.close_initiator};
  fuzz::for_each_line(text, [&](std::string_view line) {
    if (line.empty()) return;
    const auto which = static_cast<unsigned char>(line[0]);
    *fields[which % std::size(fields)] = line.substr(1);
    record.event = static_cast<metrics::AccessEvent>(which / std::size(fields) % 3);
    record.attempts = which % 4;
    record.tunnel.close_code = which;
  });
  record.status = 200;
  check_lines(record, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check_text(text);
  check_cut(text);
  check_masked(text);
  check_record(text);
  check_request(text);
  return 0;
}
