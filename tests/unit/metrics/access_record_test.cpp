#include "metrics/access_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "metrics/log_text.h"

namespace sluice::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

std::string json_of(const AccessRecord& record) {
  std::string out;
  format_json(record, out);
  return out;
}

std::string combined_of(const AccessRecord& record) {
  std::string out;
  format_combined(record, out);
  return out;
}

AccessRecord example() {
  AccessRecord record;
  record.time = std::chrono::sys_days{std::chrono::year{2025} / 1 / 31} + 9h + 30min + 5s + 7ms;
  record.client_ip = "192.0.2.7";
  record.listener = "secure";
  record.tls_version = "TLSv1.3";
  record.sni = "chat.example.com";
  record.client_subject = "CN=alice,O=Example";
  record.method = "GET";
  record.scheme = "https";
  record.host = "chat.example.com";
  record.target = "/rooms?id=1&token=s3cret";
  record.version = "HTTP/1.1";
  record.status = 502;
  record.bytes_received = 3;
  record.bytes_sent = 1234;
  record.referer = "https://example.com/?password=hunter2";
  record.user_agent = "curl/7.88";
  record.request_id = "0f";
  record.route = "chat";
  record.upstream = "app";
  record.endpoint = "127.0.0.1:8000";
  record.upstream_version = "HTTP/2.0";
  record.attempts = 2;
  record.failure = "connect_refused";
  record.stages.read_head = 120us;
  record.stages.total = 2500us;
  return record;
}

AccessRecord closed_tunnel() {
  AccessRecord record = example();
  record.event = AccessEvent::tunnel_close;
  record.socket = "5c";
  record.status = 101;
  record.failure = {};
  record.tunnel.duration = 61500ms;
  record.tunnel.to_client = {10, 9, 800};
  record.tunnel.to_upstream = {20, 19, 1600};
  record.tunnel.close_code = 1001;
  record.tunnel.close_initiator = "gateway";
  record.tunnel.close_reason = "idle timeout";
  return record;
}

TEST(AccessRecordJson, HasEveryField) {
  const auto expected = nlohmann::json::parse(R"({
    "time": "2025-01-31T09:30:05.007Z", "event": "request", "client_ip": "192.0.2.7", "listener": "secure",
    "tls_version": "TLSv1.3", "sni": "chat.example.com", "tls_client_subject": "CN=alice,O=Example", "method": "GET", "scheme": "https",
    "host": "chat.example.com", "target": "/rooms?id=1&token=***", "version": "HTTP/1.1", "status": 502,
    "bytes_received": 3, "bytes_sent": 1234, "referer": "https://example.com/?password=***",
    "user_agent": "curl/7.88", "request_id": "0f", "route": "chat", "upstream": "app",
    "endpoint": "127.0.0.1:8000", "upstream_version": "HTTP/2.0", "attempts": 2, "retries": 1, "failure": "connect_refused",
    "stages_us": {"read_head": 120, "total": 2500}})");
  EXPECT_EQ(nlohmann::json::parse(json_of(example())), expected);
}

TEST(AccessRecordJson, LeavesOutWhatIsNotThere) {
  AccessRecord record;
  record.status = 400;
  const auto json = nlohmann::json::parse(json_of(record));
  EXPECT_EQ(json,
            nlohmann::json::parse(R"({"time": "1970-01-01T00:00:00.000Z", "event": "request", "status": 400,
                                            "bytes_received": 0, "bytes_sent": 0, "stages_us": {}})"));
}

TEST(AccessRecordJson, TellsHowATunnelWent) {
  const auto json = nlohmann::json::parse(json_of(closed_tunnel()));
  EXPECT_EQ(json["event"], "tunnel_close");
  EXPECT_EQ(json["socket"], "5c");
  EXPECT_EQ(json["tunnel"], nlohmann::json::parse(R"({"duration_ms": 61500,
    "to_client": {"frames": 10, "messages": 9, "bytes": 800},
    "to_upstream": {"frames": 20, "messages": 19, "bytes": 1600}, "close_code": 1001, "close_initiator": "gateway",
    "close_reason": "idle timeout"})"));
  AccessRecord opened = closed_tunnel();
  opened.event = AccessEvent::tunnel_open;
  const auto open = nlohmann::json::parse(json_of(opened));
  EXPECT_EQ(open["event"], "tunnel_open");
  EXPECT_FALSE(open.contains("tunnel"));
}

TEST(AccessRecordJson, AppendsToWhatIsThere) {
  std::string out = "before ";
  format_json(example(), out);
  EXPECT_TRUE(out.starts_with("before {"));
  EXPECT_FALSE(out.ends_with('\n'));
}

TEST(AccessRecordJson, TimesBeforeTheStartAreZero) {
  AccessRecord record = example();
  record.stages.total = -5us;
  EXPECT_EQ(nlohmann::json::parse(json_of(record))["stages_us"]["total"], 0);
}

TEST(AccessRecordCombined, IsApachesFormat) {
  EXPECT_EQ(combined_of(example()),
            "192.0.2.7 - - [31/Jan/2025:09:30:05 +0000] \"GET /rooms?id=1&token=*** HTTP/1.1\" 502 1234 "
            "\"https://example.com/?password=***\" \"curl/7.88\"");
}

TEST(AccessRecordCombined, PutsADashForWhatIsNotThere) {
  AccessRecord record;
  record.status = 400;
  EXPECT_EQ(combined_of(record), "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\"");
  record.version = "HTTP/2.0";  // of which it is known before the request is
  EXPECT_EQ(combined_of(record), "- - - [01/Jan/1970:00:00:00 +0000] \"- - HTTP/2.0\" 400 0 \"-\" \"-\"");
}

TEST(AccessRecordCombined, AppendsFieldsForTunnels) {
  EXPECT_THAT(
      combined_of(closed_tunnel()),
      HasSubstr("\"curl/7.88\" event=tunnel_close request_id=0f socket=5c route=chat upstream=app "
                "endpoint=127.0.0.1:8000 upstream_version=HTTP/2.0 duration_ms=61500 frames_to_client=10 messages_to_client=9 "
                "bytes_to_client=800 frames_to_upstream=20 messages_to_upstream=19 bytes_to_upstream=1600 "
                "close_code=1001 close_initiator=gateway close_reason=idle\\x20timeout"));
  AccessRecord broken = closed_tunnel();
  broken.failure = "reset";
  broken.observed = "origin";
  EXPECT_TRUE(combined_of(broken).ends_with(" failure=reset observed=origin"));
  broken.tunnel.violation = "reserved_bits";
  broken.tunnel.violator = "client";
  EXPECT_TRUE(combined_of(broken).ends_with(" violation=reserved_bits violator=client failure=reset observed=origin"));
  AccessRecord opened = closed_tunnel();
  opened.event = AccessEvent::tunnel_open;
  EXPECT_TRUE(combined_of(opened).ends_with(" endpoint=127.0.0.1:8000 upstream_version=HTTP/2.0"));
}

// Every text field in turn holds every byte there is, and the worst that a client could think of.
struct TextField {
  const char* name;
  std::string_view AccessRecord::*member;
};

void PrintTo(const TextField& field, std::ostream* out) { *out << field.name; }

class Injection : public ::testing::TestWithParam<TextField> {};

std::string hostile() {
  std::string text = "\r\n{\"event\":\"forged\"}\n127.0.0.1 - - \"GET\" \x1b[2J \\\" \\";
  for (int c = 0; c < 256; ++c) text += static_cast<char>(c);
  return text +
         "\xC2\x9B"
         "31m \xE2\x80\xA8 \xED\xA0\x80 \xF4\x90\x80\x80 \xC0\xAF \xE2\x82";
}

TEST_P(Injection, IsImpossible) {
  for (const AccessEvent event :
       {AccessEvent::request, AccessEvent::tunnel_open, AccessEvent::tunnel_close}) {
    AccessRecord plain = closed_tunnel();
    plain.event = event;
    plain.failure = "reset";
    AccessRecord record = plain;
    const std::string text = hostile();
    record.*GetParam().member = text;

    const std::string json = json_of(record);
    for (const char c : json) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
    EXPECT_THAT(json, Not(HasSubstr("\xC2\x9B")));
    EXPECT_THAT(json, Not(HasSubstr("\xE2\x80\xA8")));
    const auto parsed = nlohmann::json::parse(json);
    EXPECT_EQ(parsed.size(), nlohmann::json::parse(json_of(plain)).size());
    EXPECT_NE(parsed["event"], "forged");

    const std::string combined = combined_of(record);
    for (const char c : combined) ASSERT_TRUE(c >= 0x20 && c <= 0x7E);
    int quotes = 0;
    for (std::size_t i = 0; i < combined.size(); ++i) {
      if (combined[i] == '\\') {
        ++i;
      } else if (combined[i] == '"') {
        ++quotes;
      }
    }
    EXPECT_EQ(quotes, 6);
  }
}

INSTANTIATE_TEST_SUITE_P(
    EveryField, Injection,
    ::testing::Values(
        TextField{"client_ip", &AccessRecord::client_ip}, TextField{"listener", &AccessRecord::listener},
        TextField{"tls_version", &AccessRecord::tls_version}, TextField{"sni", &AccessRecord::sni},
        TextField{"tls_client_subject", &AccessRecord::client_subject},
        TextField{"method", &AccessRecord::method}, TextField{"scheme", &AccessRecord::scheme},
        TextField{"host", &AccessRecord::host}, TextField{"target", &AccessRecord::target},
        TextField{"version", &AccessRecord::version}, TextField{"referer", &AccessRecord::referer},
        TextField{"user_agent", &AccessRecord::user_agent},
        TextField{"request_id", &AccessRecord::request_id}, TextField{"socket", &AccessRecord::socket},
        TextField{"route", &AccessRecord::route}, TextField{"upstream", &AccessRecord::upstream}, TextField{"endpoint", &AccessRecord::endpoint},
        TextField{"upstream_version", &AccessRecord::upstream_version},
        TextField{"failure", &AccessRecord::failure}));

class EveryText : public ::testing::TestWithParam<TextField> {};

TEST_P(EveryText, IsCut) {
  const std::size_t limit = GetParam().member == &AccessRecord::target ? kMaxTarget : kMaxText;
  AccessRecord record = closed_tunnel();
  std::string text(limit, 'x');
  record.*GetParam().member = text;
  EXPECT_THAT(json_of(record), HasSubstr('"' + text + '"'));
  EXPECT_THAT(combined_of(record), Not(HasSubstr(std::string(kCutMark))));
  text += 'y';
  record.*GetParam().member = text;
  const std::string cut = std::string(limit, 'x') + std::string(kCutMark);
  EXPECT_THAT(json_of(record), HasSubstr('"' + cut + '"'));
  const std::string combined = combined_of(record);  // which has not all of them
  EXPECT_TRUE(combined.find("xxx") == std::string::npos || combined.find(cut) != std::string::npos);
}

TEST_P(EveryText, TakesNoMoreWhateverItHolds) {
  for (const char byte : {'\xff', '\x01', '"', '\\', ' ', 'x'}) {
    AccessRecord record;
    const std::string text(64000, byte);
    record.*GetParam().member = text;
    EXPECT_LT(json_of(record).size(), kMaxTarget + 300);
    EXPECT_LT(combined_of(record).size(), kMaxTarget + 300);
  }
}

INSTANTIATE_TEST_SUITE_P(OfAClient, EveryText,
                         ::testing::Values(TextField{"client_ip", &AccessRecord::client_ip},
                                           TextField{"sni", &AccessRecord::sni},
                                           TextField{"tls_client_subject", &AccessRecord::client_subject},
                                           TextField{"method", &AccessRecord::method},
                                           TextField{"host", &AccessRecord::host},
                                           TextField{"target", &AccessRecord::target},
                                           TextField{"referer", &AccessRecord::referer},
                                           TextField{"user_agent", &AccessRecord::user_agent},
                                           TextField{"request_id", &AccessRecord::request_id}));

// A client that fills every field makes the longest line; the bounds of the queue count on it.
TEST(AccessRecord, HasALongestLine) {
  for (const char byte : {'\xff', '\x01', '"'}) {
    const std::string text(64000, byte);
    AccessRecord record = closed_tunnel();
    for (const auto member : {&AccessRecord::sni, &AccessRecord::client_subject, &AccessRecord::method,
                              &AccessRecord::host, &AccessRecord::target, &AccessRecord::referer,
                              &AccessRecord::user_agent, &AccessRecord::request_id}) {
      record.*member = text;
    }
    EXPECT_LT(json_of(record).size(), std::size_t{11} * 1024);
    EXPECT_LT(combined_of(record).size(), std::size_t{11} * 1024);
  }
}

// Whatever is before it, no byte of a secret is left where the cut falls into it, its name, or its mask.
TEST(AccessRecord, CutsNoSecretOpen) {
  for (std::size_t length = kMaxText - 20; length < kMaxTarget + 8; ++length) {
    const std::string text = "/" + std::string(length, 'x') + "?token=S3CR3T&password=S3CR3T;S3CR3T";
    AccessRecord record = example();
    record.target = text;
    record.referer = text;
    for (const std::string& line : {json_of(record), combined_of(record)}) {
      ASSERT_THAT(line, Not(HasSubstr("S3CR"))) << length;
      ASSERT_THAT(line, HasSubstr(std::string(kCutMark))) << length;
    }
  }
}

TEST(AccessRecord, ALongSecretHidesNothingBehindIt) {
  AccessRecord record = example();
  const std::string target = "/?token=" + std::string(60000, 's') + "&x=1";
  record.target = target;
  EXPECT_EQ(nlohmann::json::parse(json_of(record))["target"], "/?token=***&x=1");
}

TEST(AccessRecord, KeepsWordsApartInTheCombinedRequestLine) {
  AccessRecord record = example();
  record.target = "/a HTTP/1.1\" 200 5";
  EXPECT_THAT(combined_of(record), HasSubstr("\"GET /a\\x20HTTP/1.1\\\"\\x20200\\x205 HTTP/1.1\" 502"));
}

TEST(AccessRecordJson, KeepsUtf8) {
  AccessRecord record = example();
  record.user_agent = "Grüße \xF0\x9F\x91\x8B";
  EXPECT_EQ(nlohmann::json::parse(json_of(record))["user_agent"], record.user_agent);
}

}  // namespace
}  // namespace sluice::metrics
