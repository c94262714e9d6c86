#include "gateway/proxy/reply.h"

#include <gmock/gmock.h>

#include <set>

#include "gateway/proxy/forward_request.h"
#include "tests/support/fake_exchange.h"

namespace sluice::proxy {
namespace {

using test::FakeExchange;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using upstream::FailureCode;

TEST(ReplyForTest, UpstreamFailures) {
  const std::pair<FailureCode, unsigned> expected[] = {
      {FailureCode::no_endpoint, 503},          {FailureCode::resolve_failed, 503},
      {FailureCode::connect_refused, 502},      {FailureCode::connect_failed, 502},
      {FailureCode::connect_timeout, 504},      {FailureCode::tls_failed, 502},
      {FailureCode::certificate_rejected, 502}, {FailureCode::reset, 502},
      {FailureCode::response_timeout, 504},     {FailureCode::bad_response, 502},
      {FailureCode::bad_upgrade, 502},          {FailureCode::body_truncated, 502},
      {FailureCode::body_timeout, 502},         {FailureCode::bad_body, 502},
      {FailureCode::client_left, 499},          {FailureCode::upstream_full, 503},
  };
  for (const auto& [code, status] : expected) {
    const Reply reply = reply_for(code);
    EXPECT_EQ(reply.status, status) << reply.error;
    EXPECT_EQ(reply.error, upstream::name_of(code));
    EXPECT_EQ(reply.sentence, upstream::describe(code));
  }
}

TEST(ReplyForTest, Refusals) {
  const std::pair<Refusal, unsigned> expected[] = {
      {Refusal::no_route, 404},
      {Refusal::no_host, 400},
      {Refusal::method_not_allowed, 405},
      {Refusal::upgrades_disabled, 403},
      {Refusal::origin_not_allowed, 403},
      {Refusal::maintenance, 503},
      {Refusal::too_many_handshakes, 429},
      {Refusal::too_many_tunnels, 503},
      {Refusal::too_many_tunnels_of_client, 503},
      {Refusal::request_too_large, 413},
      {Refusal::request_head_timeout, 408},
      {Refusal::request_body_timeout, 408},
      {Refusal::bad_rewrite, 500},
      {Refusal::internal_error, 500},
  };
  std::set<std::string_view> names;
  for (const auto& [refusal, status] : expected) {
    const Reply reply = reply_for(refusal);
    EXPECT_EQ(reply.status, status) << reply.error;
    EXPECT_TRUE(names.insert(reply.error).second) << reply.error;
    EXPECT_FALSE(reply.sentence.empty());
  }
}

TEST(ReplyForTest, EveryParseErrorHasAClientErrorStatus) {
  for (unsigned i = 1; i < static_cast<unsigned>(http::ParseError::count_); ++i) {
    const Reply reply = reply_for(static_cast<http::ParseError>(i));
    EXPECT_TRUE((reply.status >= 400 && reply.status < 500) || reply.status == 505) << reply.error;
    EXPECT_FALSE(reply.error.empty());
    EXPECT_FALSE(reply.sentence.empty());
  }
  EXPECT_EQ(reply_for(http::ParseError::head_too_large).status, 431u);
  EXPECT_EQ(reply_for(http::ParseError::request_line_too_long).status, 414u);
  EXPECT_EQ(reply_for(http::ParseError::bad_expectation).status, 417u);
}

TEST(ReplyForTest, PathsAndHandshakes) {
  EXPECT_EQ(reply_for(http::PathError::encoded_slash).status, 400u);
  EXPECT_EQ(reply_for(http::PathError::encoded_slash).error, "encoded_slash");
  EXPECT_EQ(reply_for(websocket::HandshakeError::bad_version).status, 426u);
  EXPECT_EQ(reply_for(websocket::HandshakeError::bad_key).status, 400u);
}

TEST(SendReplyTest, SaysWhatIsWrongAndNotesIt) {
  FakeExchange exchange;
  EXPECT_TRUE(send_reply(exchange, reply_for(FailureCode::connect_refused)));
  EXPECT_EQ(exchange.status, 502u);
  EXPECT_EQ(exchange.field("Sluice-Error"), "connect_refused");
  EXPECT_EQ(exchange.field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_NE(exchange.field("Date"), "(none)");
  EXPECT_THAT(exchange.body, StartsWith("502 Bad Gateway: "));
  EXPECT_EQ(exchange.framing.kind, http::BodyKind::length);
  EXPECT_EQ(exchange.framing.content_length, exchange.body.size());
  EXPECT_TRUE(exchange.complete);
  EXPECT_EQ(exchange.record.status, 502u);
  EXPECT_EQ(exchange.record.failure, "connect_refused");
}

TEST(SendReplyTest, HasTheFieldsThatAStatusAsksFor) {
  FakeExchange exchange;
  send_reply(exchange, reply_for(Refusal::method_not_allowed));
  EXPECT_THAT(exchange.field("Allow"), HasSubstr("GET"));
  send_reply(exchange, reply_for(websocket::HandshakeError::bad_version));
  EXPECT_EQ(exchange.field("Sec-WebSocket-Version"), "13");
  EXPECT_EQ(exchange.field("Allow"), "(none)");
  send_reply(exchange, reply_for(FailureCode::no_endpoint));
  EXPECT_EQ(exchange.field("Retry-After"), "5");
  Reply later = reply_for(Refusal::too_many_handshakes);
  later.retry_after = std::chrono::seconds(7);
  send_reply(exchange, later);
  EXPECT_EQ(exchange.field("Retry-After"), "7");
}

TEST(SendReplyTest, HeadGetsTheLengthButNoBody) {
  FakeExchange exchange;
  exchange.head.method = "HEAD";
  send_reply(exchange, reply_for(Refusal::no_route));
  EXPECT_EQ(exchange.body, "");
  EXPECT_GT(exchange.framing.content_length, 0u);
}

TEST(SendReplyTest, ReplacesAHeadThatHasNotLeft) {
  FakeExchange exchange;
  http::Headers headers;
  exchange.start_response(200, "OK", headers, {});
  EXPECT_TRUE(send_reply(exchange, reply_for(FailureCode::reset)));
  EXPECT_EQ(exchange.status, 502u);
  EXPECT_EQ(exchange.responses, 2);
}

TEST(SendReplyTest, LeavesAResponseThatHasBegunAlone) {
  FakeExchange exchange;
  http::Headers headers;
  exchange.record.status = 200;
  exchange.start_response(200, "OK", headers, {});
  exchange.can_take_back = false;
  EXPECT_FALSE(send_reply(exchange, reply_for(FailureCode::body_truncated)));
  EXPECT_EQ(exchange.responses, 1);
  EXPECT_EQ(exchange.record.status, 200u) << "what the client has seen";
  EXPECT_EQ(exchange.record.failure, "body_truncated");
}

TEST(SendResponseTest, StatusesWithoutABodyHaveNone) {
  for (const unsigned status : {204u, 304u}) {
    FakeExchange exchange;
    http::Headers headers;
    send_response(exchange, status, headers, "not sent");
    EXPECT_EQ(exchange.framing.kind, http::BodyKind::none);
    EXPECT_EQ(exchange.body, "");
    EXPECT_TRUE(exchange.complete);
  }
}

// The status of the reply that cannot be given any more may be the one that has left: the body is short all
// the same.
TEST(ReplyToFailureTest, AFailureBehindTheHeadBreaksOffWhateverItsStatus) {
  for (const unsigned status : {200u, 502u, 504u}) {
    FakeExchange exchange;
    http::Headers headers;
    exchange.record.status = status;
    exchange.start_response(status, "", headers, {});
    exchange.can_take_back = false;
    reply_to_failure(exchange, nullptr, {FailureCode::body_truncated, upstream::Retryable::no, "gone"});
    EXPECT_TRUE(exchange.broken) << status;
    EXPECT_EQ(exchange.record.failure_detail, "gone");
  }
}

TEST(ReplyToFailureTest, AFailureBeforeTheHeadIsAnswered) {
  FakeExchange exchange;
  reply_to_failure(exchange, nullptr, {FailureCode::response_timeout, upstream::Retryable::no, {}});
  EXPECT_EQ(exchange.status, 504u);
  EXPECT_FALSE(exchange.broken);
}

TEST(ReplyToFailureTest, NobodyIsAnsweredWhenTheClientHasLeft) {
  FakeExchange exchange;
  reply_to_failure(exchange, nullptr, {FailureCode::client_left, upstream::Retryable::no, {}});
  EXPECT_EQ(exchange.responses, 0);
  EXPECT_EQ(exchange.record.status, 499u);
  EXPECT_TRUE(exchange.broken);
}

}  // namespace
}  // namespace sluice::proxy
