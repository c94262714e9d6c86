// The names, labels and values of every metric that the folder registers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "metrics/connection_metrics.h"
#include "metrics/http2_metrics.h"
#include "metrics/process_metrics.h"
#include "metrics/registry.h"
#include "metrics/request_metrics.h"
#include "metrics/tls_metrics.h"
#include "metrics/upstream_metrics.h"
#include "metrics/websocket_metrics.h"

namespace sluice::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

double value_of(const std::string& text, const std::string& series) {
  const std::string start = "\n" + series + " ";
  const auto found = text.find(start);
  if (found == std::string::npos) {
    ADD_FAILURE() << "no " << series << " in\n" << text;
    return -1;
  }
  return std::strtod(text.c_str() + found + start.size(), nullptr);
}

TEST(RequestMetrics, CountsByMethodAndStatusClass) {
  Registry registry(1);
  RequestMetrics requests(registry, 0, "chat");
  requests.count(method_label("GET"), 200, 0.004);
  requests.count(method_label("GET"), 204, 0.004);
  requests.count(method_label("POST"), 101, 0.004);
  requests.count(method_label("BREW"), 418, 0.004);
  requests.count(method_label("GET"), 499, 0.004);
  requests.count(method_label("GET"), 503, 20);
  requests.count(method_label("GET"), 0, 0.004);
  requests.count(method_label("GET"), 999, 0.004);
  requests.bytes_received.add(10);
  requests.bytes_sent.add(20);
  const std::string text = registry.scrape();
  const auto count = [&](const char* method, const char* status) {
    return value_of(text, std::string("sluice_requests_total{method=\"") + method +
                              "\",route=\"chat\",status=\"" + status + "\"}");
  };
  EXPECT_EQ(count("GET", "2xx"), 2);
  EXPECT_EQ(count("POST", "1xx"), 1);
  EXPECT_EQ(count("other", "4xx"), 1);
  EXPECT_EQ(count("GET", "499"), 1);
  EXPECT_EQ(count("GET", "4xx"), 0);
  EXPECT_EQ(count("GET", "5xx"), 1);
  EXPECT_EQ(count("GET", "other"), 2);
  EXPECT_EQ(value_of(text, "sluice_request_duration_seconds_count{route=\"chat\"}"), 8);
  EXPECT_EQ(value_of(text, "sluice_request_duration_seconds_bucket{route=\"chat\",le=\"0.005\"}"), 7);
  EXPECT_EQ(value_of(text, "sluice_client_received_bytes_total{route=\"chat\"}"), 10);
  EXPECT_EQ(value_of(text, "sluice_client_sent_bytes_total{route=\"chat\"}"), 20);
}

TEST(RequestMetrics, KnowsItsMethodsOnly) {
  EXPECT_EQ(method_label("GET"), MethodLabel::get);
  EXPECT_EQ(method_label("HEAD"), MethodLabel::head);
  EXPECT_EQ(method_label("POST"), MethodLabel::post);
  EXPECT_EQ(method_label("PUT"), MethodLabel::put);
  EXPECT_EQ(method_label("DELETE"), MethodLabel::delete_);
  EXPECT_EQ(method_label("PATCH"), MethodLabel::patch);
  EXPECT_EQ(method_label("OPTIONS"), MethodLabel::options);
  EXPECT_EQ(method_label("get"), MethodLabel::other);
  EXPECT_EQ(method_label("other"), MethodLabel::other);
  EXPECT_EQ(method_label(""), MethodLabel::other);
}

TEST(ConnectionMetrics, TellsWorkersApartWhereItMatters) {
  Registry registry(2);
  ConnectionMetrics first(registry, 0, {"none", "bad_host"});
  ConnectionMetrics second(registry, 1, {"none", "bad_host"});
  first.accepted.add(2);
  second.accepted.add(3);
  first.open.add(1);
  first.count_parse_error(1);
  second.count_parse_error(1);
  first.refused_limit.add();
  first.accept_paused.add();
  second.accept_paused.add();
  first.timeout_tls_handshake.add(1);
  first.timeout_request_head.add(2);
  first.timeout_request_body.add(3);
  first.timeout_keepalive.add(4);
  first.timeout_client_write.add(5);
  first.held_rejected.add();
  first.held_bytes.add(4096);
  second.held_bytes.add(1);
  second.loop_lag.observe(0.001);
  const std::string text = registry.scrape();
  EXPECT_EQ(value_of(text, "sluice_connections_accepted_total{worker=\"0\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_connections_accepted_total{worker=\"1\"}"), 3);
  EXPECT_EQ(value_of(text, "sluice_connections_open{worker=\"0\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_parse_errors_total{reason=\"bad_host\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_connections_refused_total{reason=\"max_connections\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_accept_pauses_total"), 2);
  EXPECT_EQ(value_of(text, "sluice_client_timeouts_total{phase=\"tls_handshake\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_client_timeouts_total{phase=\"request_head\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_client_timeouts_total{phase=\"request_body\"}"), 3);
  EXPECT_EQ(value_of(text, "sluice_client_timeouts_total{phase=\"keepalive\"}"), 4);
  EXPECT_EQ(value_of(text, "sluice_client_timeouts_total{phase=\"client_write\"}"), 5);
  EXPECT_EQ(value_of(text, "sluice_held_bytes_rejections_total"), 1);
  EXPECT_EQ(value_of(text, "sluice_held_bytes"), 4097);
  EXPECT_EQ(value_of(text, "sluice_event_loop_lag_seconds_count{worker=\"1\"}"), 1);
}

TEST(UpstreamMetrics, CountsByUpstream) {
  Registry registry(1);
  UpstreamMetrics upstream(registry, 0, "app");
  upstream.register_failures(registry, 0, "app", {"connect_refused", "connect_timeout"});
  upstream.count_failure(1);
  upstream.connect_seconds.observe(0.002);
  upstream.response_seconds.observe(0.02);
  upstream.pool_hits.add(1);
  upstream.pool_misses.add(2);
  upstream.connections_open.add(3);
  upstream.connections_idle.add(4);
  upstream.http2_streams_open.add(8);
  upstream.http2_tunnels_open.add(9);
  upstream.retries.add(5);
  upstream.bytes_sent.add(6);
  upstream.bytes_received.add(7);
  const std::string text = registry.scrape();
  EXPECT_EQ(value_of(text, "sluice_upstream_failures_total{reason=\"connect_timeout\",upstream=\"app\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_upstream_failures_total{reason=\"connect_refused\",upstream=\"app\"}"), 0);
  EXPECT_EQ(value_of(text, "sluice_upstream_connect_seconds_count{upstream=\"app\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_upstream_response_seconds_count{upstream=\"app\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_upstream_pool_hits_total{upstream=\"app\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_upstream_pool_misses_total{upstream=\"app\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_upstream_connections_open{upstream=\"app\"}"), 3);
  EXPECT_EQ(value_of(text, "sluice_upstream_connections_idle{upstream=\"app\"}"), 4);
  EXPECT_EQ(value_of(text, "sluice_upstream_http2_streams_open{upstream=\"app\"}"), 8);
  EXPECT_EQ(value_of(text, "sluice_upstream_http2_tunnels_open{upstream=\"app\"}"), 9);
  EXPECT_EQ(value_of(text, "sluice_upstream_retries_total{upstream=\"app\"}"), 5);
  EXPECT_EQ(value_of(text, "sluice_upstream_sent_bytes_total{upstream=\"app\"}"), 6);
  EXPECT_EQ(value_of(text, "sluice_upstream_received_bytes_total{upstream=\"app\"}"), 7);
}

TEST(Http2Metrics, CountsEachViolationByItsName) {
  Registry registry(1);
  Http2Metrics http2(registry, 0);
  for (std::size_t i = 1; i < static_cast<std::size_t>(Http2Violation::count_); ++i) {
    for (std::size_t times = 0; times < i; ++times) http2.count(static_cast<Http2Violation>(i));
  }
  http2.goaway_drain.add(1);
  http2.goaway_idle.add(2);
  http2.goaway_timeout.add(3);
  http2.goaway_violation.add(4);
  http2.reset_by_client.add(5);
  http2.reset_by_gateway.add(6);
  const std::string text = registry.scrape();
  double expected = 1;
  for (const char* reason : {"max_resets", "idle_frames", "window_updates", "continuations", "max_concurrent_streams", "preface", "protocol",
                             "flow_control", "frame_size", "compression", "closed_stream", "header_list", "too_many_exchanges"}) {
    EXPECT_EQ(value_of(text, std::string("sluice_http2_violations_total{reason=\"") + reason + "\"}"), expected++);
  }
  EXPECT_EQ(expected, static_cast<double>(Http2Violation::count_));
  expected = 1;
  for (const char* reason : {"drain", "idle", "timeout", "violation"}) {
    EXPECT_EQ(value_of(text, std::string("sluice_http2_goaways_total{reason=\"") + reason + "\"}"), expected++);
  }
  EXPECT_EQ(value_of(text, "sluice_http2_streams_reset_total{by=\"client\"}"), 5);
  EXPECT_EQ(value_of(text, "sluice_http2_streams_reset_total{by=\"gateway\"}"), 6);
}

TEST(TlsMetrics, CountsByVersionAndResult) {
  Registry registry(1);
  TlsMetrics tls(registry, 0);
  tls.ok_1_2.add(1);
  tls.ok_1_3.add(2);
  tls.failed.add(3);
  tls.timeout.add(4);
  tls.resumed.add(5);
  tls.certificate_missing.add(6);
  tls.certificate_rejected.add(7);
  tls.handshake_seconds.observe(0.001);
  const std::string text = registry.scrape();
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"ok\",version=\"TLSv1.2\"}"), 1);
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"ok\",version=\"TLSv1.3\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"failed\",version=\"none\"}"), 3);
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"timeout\",version=\"none\"}"), 4);
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"certificate_missing\",version=\"none\"}"), 6);
  EXPECT_EQ(value_of(text, "sluice_tls_handshakes_total{result=\"certificate_rejected\",version=\"none\"}"), 7);
  EXPECT_EQ(value_of(text, "sluice_tls_resumed_total"), 5);
  EXPECT_EQ(value_of(text, "sluice_tls_handshake_seconds_count"), 1);
}

TEST(WebSocketMetrics, CountsUpgradesTunnelsAndFrames) {
  Registry registry(1);
  WebSocketMetrics websocket(registry, 0, "chat");
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(UpgradeResult::count_); ++i) {
    for (std::uint8_t n = 0; n <= i; ++n) websocket.count_upgrade(static_cast<UpgradeResult>(i));
  }
  websocket.tunnels_open.add(2);
  websocket.tunnel_seconds.observe(4000);
  websocket.to_client.frames.add(1);
  websocket.to_client.messages.add(2);
  websocket.to_client.bytes.add(3);
  websocket.to_upstream.frames.add(4);
  websocket.to_upstream.messages.add(5);
  websocket.to_upstream.bytes.add(6);
  websocket.compression_memory.add(7);
  const std::string text = registry.scrape();
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(UpgradeResult::count_); ++i) {
    const std::string result(name_of(static_cast<UpgradeResult>(i)));
    EXPECT_EQ(value_of(text, "sluice_websocket_upgrades_total{result=\"" + result + "\",route=\"chat\"}"),
              i + 1);
  }
  EXPECT_EQ(value_of(text, "sluice_websocket_tunnels_open{route=\"chat\"}"), 2);
  EXPECT_EQ(value_of(text, "sluice_websocket_tunnel_duration_seconds_bucket{route=\"chat\",le=\"3600\"}"), 0);
  EXPECT_EQ(value_of(text, "sluice_websocket_tunnel_duration_seconds_bucket{route=\"chat\",le=\"14400\"}"),
            1);
  const auto carried = [&](const char* what, const char* direction) {
    return value_of(text, std::string("sluice_websocket_") + what + "_total{direction=\"" + direction +
                              "\",route=\"chat\"}");
  };
  EXPECT_EQ(carried("frames", "to_client"), 1);
  EXPECT_EQ(carried("messages", "to_client"), 2);
  EXPECT_EQ(carried("bytes", "to_client"), 3);
  EXPECT_EQ(carried("frames", "to_upstream"), 4);
  EXPECT_EQ(carried("messages", "to_upstream"), 5);
  EXPECT_EQ(carried("bytes", "to_upstream"), 6);
  EXPECT_EQ(value_of(text, "sluice_websocket_compression_memory_bytes{route=\"chat\"}"), 7);
}

struct CloseCase {
  unsigned code;
  const char* label;
};

// Without it the tests' names would hold addresses.
void PrintTo(const CloseCase& close, std::ostream* out) { *out << close.code << " as " << close.label; }

class CloseCodes : public ::testing::TestWithParam<CloseCase> {};

TEST_P(CloseCodes, HaveABoundedSetOfLabels) {
  Registry registry(1);
  WebSocketMetrics websocket(registry, 0, "chat");
  websocket.count_close(Party::upstream, GetParam().code);
  const std::string series = std::string("sluice_websocket_closes_total{code=\"") + GetParam().label +
                             "\",initiator=\"upstream\",route=\"chat\"}";
  EXPECT_EQ(value_of(registry.scrape(), series), 1);
}

INSTANTIATE_TEST_SUITE_P(All, CloseCodes,
                         ::testing::Values(CloseCase{0, "none"}, CloseCase{1000, "1000"},
                                           CloseCase{1005, "1005"}, CloseCase{1012, "1012"},
                                           CloseCase{1015, "1015"}, CloseCase{1016, "other"},
                                           CloseCase{999, "other"}, CloseCase{2999, "other"},
                                           CloseCase{3000, "3xxx"}, CloseCase{3999, "3xxx"},
                                           CloseCase{4000, "4xxx"}, CloseCase{4999, "4xxx"},
                                           CloseCase{5000, "other"}, CloseCase{65535, "other"}));

TEST(ProcessMetrics, TellWhatTheProcessUses) {
  Registry registry(1);
  register_process_metrics(registry, "1.2.3");
  const std::string text = "\n" + registry.scrape();
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(value_of(text, "process_open_fds"), 3);
  EXPECT_GE(value_of(text, "process_max_fds"), value_of(text, "process_open_fds"));
  EXPECT_GT(value_of(text, "process_cpu_seconds_total"), 0);
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
  EXPECT_EQ(value_of(text, "sluice_build_info{version=\"1.2.3\"}"), 1);
  EXPECT_GE(value_of(text, "sluice_log_dropped_lines_total"), 0);
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const double start = value_of(text, "process_start_time_seconds");
  EXPECT_LE(start, now + 1);
  EXPECT_GT(start, now - 600);
}

TEST(ProcessMetrics, OpenDescriptorsFollow) {
  Registry registry(1);
  register_process_metrics(registry, "1");
  const double before = value_of("\n" + registry.scrape(), "process_open_fds");
  const int descriptor = dup(STDERR_FILENO);
  EXPECT_EQ(value_of("\n" + registry.scrape(), "process_open_fds"), before + 1);
  close(descriptor);
  EXPECT_EQ(value_of("\n" + registry.scrape(), "process_open_fds"), before);
}

// https://prometheus.io/docs/practices/naming/
TEST(Names, FollowTheConventions) {
  Registry registry(1);
  const RequestMetrics requests(registry, 0, "r");
  const ConnectionMetrics connections(registry, 0, {"bad_host"});
  UpstreamMetrics upstream(registry, 0, "u");
  upstream.register_failures(registry, 0, "u", {"x"});
  const TlsMetrics tls(registry, 0);
  const Http2Metrics http2(registry, 0);
  const WebSocketMetrics websocket(registry, 0, "r");
  register_process_metrics(registry, "1");
  std::istringstream lines(registry.scrape());
  int families = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP")) {
      EXPECT_THAT(line, MatchesRegex("# HELP [a-z0-9_]+ [A-Z].*[.]"));
    }
    if (!line.starts_with("# TYPE")) continue;
    std::string hash, type, name, kind;
    std::istringstream(line) >> hash >> type >> name >> kind;
    EXPECT_THAT(name, MatchesRegex("(sluice|process)_[a-z0-9_]+"));
    EXPECT_THAT(kind, MatchesRegex("counter|gauge|histogram"));
    EXPECT_EQ(kind == "counter", name.ends_with("_total")) << line;
    const bool measures = (name.ends_with("_seconds") && name != "process_start_time_seconds") || name == "sluice_websocket_message_bytes";
    EXPECT_EQ(kind == "histogram", measures) << line;
    ++families;
  }
  EXPECT_GE(families, 40);
}

}  // namespace
}  // namespace sluice::metrics
