#include "upstream/connector.h"

#include <gmock/gmock.h>

#include "tests/support/tls_harness.h"

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using test::IoHarness;
using test::Peer;
using test::TcpListener;
using test::TlsHarness;
using ::testing::HasSubstr;

SocketAddress address_of(const TcpListener& listener) {
  return SocketAddress(&listener.address(), sizeof(sockaddr_in));
}

// A port on which nobody listens any more.
SocketAddress refusing_address() {
  const TcpListener listener;
  return address_of(listener);
}

// Listens, but its queue is full: the kernel drops what comes then, so that connecting takes for ever.
class FullListener {
 public:
  FullListener() : listener_(0) {
    for (Peer& peer : waiting_) {
      peer = Peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      ::connect(peer.descriptor(), reinterpret_cast<const sockaddr*>(&listener_.address()),
                sizeof(sockaddr_in));
    }
  }
  SocketAddress address() const { return address_of(listener_); }

 private:
  TcpListener listener_;
  Peer waiting_[4];
};

struct Outcome {
  bool done = false;
  tls::StreamPtr stream;
  Failure failure;
};

Awaitable<> connect_into(tls::WorkerIo& io, Endpoint& endpoint, const tls::ClientContext* context,
                         config::OptionalDuration timeout, tls::Cancellation& cancellation,
                         Outcome& outcome) {
  Result<tls::StreamPtr> result = co_await connect(io, endpoint, context, timeout, cancellation);
  if (result) {
    outcome.stream = std::move(*result);
  } else {
    outcome.failure = result.failure();
  }
  outcome.done = true;
}

class ConnectorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tls_ = new TlsHarness; }
  static void TearDownTestSuite() { delete std::exchange(tls_, nullptr); }

  void set_addresses(Addresses addresses) {
    endpoint_.addresses = std::make_shared<const Addresses>(std::move(addresses));
  }
  void start(config::OptionalDuration timeout = 5s) {
    outcome_ = {};
    harness_.spawn(
        connect_into(harness_.io, endpoint_, tls_->client_context().get(), timeout, cancellation_, outcome_),
        ended_);
  }
  void finish() {
    ASSERT_TRUE(harness_.run_until([&] { return outcome_.done; }));
  }
  FailureCode code() const { return outcome_.failure.code; }

  static TlsHarness* tls_;
  IoHarness harness_;
  Endpoint endpoint_{
      {.url = "http://backend", .host = "localhost"}, std::make_shared<EndpointState>(), nullptr, 0};
  tls::Cancellation cancellation_;
  Outcome outcome_;
  bool ended_ = false;
};
TlsHarness* ConnectorTest::tls_ = nullptr;

TEST_F(ConnectorTest, ConnectsWithTheRightSocketOptions) {
  TcpListener listener;
  set_addresses({address_of(listener)});
  start();
  finish();
  ASSERT_TRUE(outcome_.stream);
  Peer peer = listener.accept();
  ASSERT_FALSE(outcome_.stream->write({"hello"}));
  EXPECT_TRUE(harness_.run_until([&] { return peer.receive() == "hello"; }));
  const int descriptor = outcome_.stream->descriptor();
  EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(descriptor, F_GETFL) & O_NONBLOCK, 0);
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(descriptor, IPPROTO_TCP, 1 /* TCP_NODELAY */, &value, &size);
  EXPECT_NE(value, 0);
  ::getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &value, &size);
  EXPECT_NE(value, 0);
}

TEST_F(ConnectorTest, ANameWithoutAddressCannotBeConnected) {
  start();
  finish();
  EXPECT_EQ(code(), FailureCode::resolve_failed);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::always);
  EXPECT_THAT(outcome_.failure.detail, HasSubstr("localhost"));
  set_addresses({});
  start();
  finish();
  EXPECT_EQ(code(), FailureCode::resolve_failed);
}

TEST_F(ConnectorTest, ARefusedConnectionIsToldApart) {
  set_addresses({refusing_address()});
  start();
  finish();
  EXPECT_EQ(code(), FailureCode::connect_refused);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::always);
  EXPECT_FALSE(outcome_.failure.detail.empty());
}

TEST_F(ConnectorTest, OtherErrorsAreConnectFailed) {
  sockaddr_in broadcast{};
  broadcast.sin_family = AF_INET;
  broadcast.sin_addr.s_addr = INADDR_BROADCAST;
  broadcast.sin_port = htons(9);
  set_addresses({SocketAddress(&broadcast, sizeof broadcast)});
  start();
  finish();
  EXPECT_EQ(code(), FailureCode::connect_failed);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::always);
}

TEST_F(ConnectorTest, TheNextAddressIsTriedWhicheverComesFirst) {
  TcpListener listener;
  set_addresses({refusing_address(), address_of(listener), refusing_address()});
  for (int i = 0; i < 3; ++i) {
    start();
    finish();
    EXPECT_TRUE(outcome_.stream) << i;
    listener.accept();
  }
}

TEST_F(ConnectorTest, AddressesTakeTurns) {
  TcpListener first;
  TcpListener second;
  set_addresses({address_of(first), address_of(second)});
  start();
  finish();
  EXPECT_TRUE(first.has_connection());
  EXPECT_FALSE(second.has_connection());
  start();
  finish();
  EXPECT_TRUE(second.has_connection());
}

TEST_F(ConnectorTest, NewAddressesWhileConnectingAreNoProblem) {
  TcpListener listener;
  set_addresses({refusing_address(), refusing_address(), address_of(listener)});
  start();
  harness_.loop.turn(0ms);
  set_addresses({});
  finish();
  EXPECT_TRUE(outcome_.stream);
}

TEST_F(ConnectorTest, NoAnswerInTimeIsATimeout) {
  const FullListener full;
  set_addresses({full.address()});
  const Clock::time_point begin = Clock::now();
  start(80ms);
  finish();
  EXPECT_EQ(code(), FailureCode::connect_timeout);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::always);
  EXPECT_GE(Clock::now() - begin, 80ms);
}

TEST_F(ConnectorTest, TheTimeLimitIsForAllAddressesTogether) {
  const FullListener full;
  TcpListener listener;
  set_addresses({full.address(), full.address(), address_of(listener)});
  const Clock::time_point begin = Clock::now();
  start(80ms);
  finish();
  EXPECT_EQ(code(), FailureCode::connect_timeout);
  EXPECT_LT(Clock::now() - begin, 3s);
  EXPECT_FALSE(listener.has_connection());
}

TEST_F(ConnectorTest, CallingOffEndsItEarly) {
  const FullListener full;
  set_addresses({full.address()});
  start();
  harness_.settle();
  EXPECT_FALSE(outcome_.done);
  cancellation_.cancel(tls::StreamError::cancelled);
  finish();
  EXPECT_EQ(code(), FailureCode::client_left);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::no);
}

TEST_F(ConnectorTest, CalledOffBeforeItBeganNothingIsOpened) {
  TcpListener listener;
  set_addresses({address_of(listener)});
  cancellation_.cancel(tls::StreamError::cancelled);
  start();
  finish();
  EXPECT_EQ(code(), FailureCode::client_left);
  EXPECT_FALSE(listener.has_connection());
}

TEST_F(ConnectorTest, CallingOffAfterwardsDoesNotTouchTheStream) {
  TcpListener listener;
  set_addresses({address_of(listener)});
  start(60ms);
  finish();
  ASSERT_TRUE(outcome_.stream);
  cancellation_.cancel(tls::StreamError::cancelled);
  harness_.run_for(150ms);  // nor does the time limit
  EXPECT_FALSE(outcome_.stream->error());
}

// ---- TLS
// -----------------------------------------------------------------------------------------------------------

class TlsConnectorTest : public ConnectorTest {
 protected:
  TlsConnectorTest() {
    endpoint_.settings.https = true;
    set_addresses({address_of(listener_)});
  }
  Peer accept() {
    harness_.settle();
    return listener_.accept();
  }
  // The accepted connection with a TLS server on it.
  void serve() {
    Peer peer = accept();
    const int descriptor = ::dup(peer.descriptor());
    server_ = tls::Stream::secure(harness_.io, tls::Descriptor(descriptor), tls_->server_session());
    harness_.spawn(test::shake_hands(*server_, server_error_), served_);
  }

  TcpListener listener_;
  tls::StreamPtr server_;
  ErrorCode server_error_;
  bool served_ = false;
};

TEST_F(TlsConnectorTest, ShakesHands) {
  start();
  serve();
  finish();
  ASSERT_TRUE(outcome_.stream);
  EXPECT_TRUE(outcome_.stream->is_tls());
  EXPECT_STREQ(SSL_get_servername(server_->ssl(), TLSEXT_NAMETYPE_host_name), "localhost");
}

TEST_F(TlsConnectorTest, ACertificateForAnotherNameIsRejected) {
  endpoint_.settings.host = "other.example";
  start();
  serve();
  finish();
  EXPECT_EQ(code(), FailureCode::certificate_rejected);
  EXPECT_EQ(outcome_.failure.retryable, Retryable::always);
  EXPECT_THAT(outcome_.failure.detail, HasSubstr("other.example"));
}

TEST_F(TlsConnectorTest, ABackendThatSpeaksNoTlsFails) {
  start();
  Peer peer = accept();
  peer.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  finish();
  EXPECT_EQ(code(), FailureCode::tls_failed);
}

TEST_F(TlsConnectorTest, ABackendThatLeavesInTheHandshakeFails) {
  start();
  { Peer peer = accept(); }
  finish();
  EXPECT_EQ(code(), FailureCode::tls_failed);
}

TEST_F(TlsConnectorTest, TheTimeLimitCoversTheHandshake) {
  start(80ms);
  Peer silent = accept();
  finish();
  EXPECT_EQ(code(), FailureCode::connect_timeout);
}

TEST_F(TlsConnectorTest, CallingOffEndsTheHandshake) {
  start();
  Peer silent = accept();
  harness_.settle();
  cancellation_.cancel(tls::StreamError::cancelled);
  finish();
  EXPECT_EQ(code(), FailureCode::client_left);
}

// A name that cannot be asked for has no TLS session. Going on without one would send the request in the
// clear.
TEST_F(TlsConnectorTest, WithoutATlsSessionItFailsAndNeverGoesOnInTheClear) {
  endpoint_.settings.host = std::string(300, 'a') + ".example";
  start();
  finish();
  EXPECT_FALSE(outcome_.stream) << "a plain stream to an https endpoint";
  EXPECT_EQ(code(), FailureCode::tls_failed);
}

}  // namespace
}  // namespace sluice::upstream
