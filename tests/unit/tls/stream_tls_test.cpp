// A stream under TLS: both ends are streams of one loop, or the far end is a plain descriptor that breaks the
// rules.
#include <gmock/gmock.h>

#include "tests/support/tls_harness.h"
#include "tls/stream.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using test::drain;
using test::Drained;
using test::IoHarness;
using test::pattern;
using test::Peer;
using test::read_at_least;
using test::TlsHarness;
using test::TlsPair;

void count(void* context) { ++*static_cast<int*>(context); }
Awaitable<> wait_flushed(Stream& stream) { co_await stream.wait_flushed(); }
Awaitable<> wait_readable(Stream& stream) { co_await stream.wait_readable(); }

class StreamTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tls_ = new TlsHarness; }
  static void TearDownTestSuite() { delete std::exchange(tls_, nullptr); }

  // Both ends have read what the handshake left (the session ticket) and wait for more.
  void quiet(TlsPair& pair) {
    ASSERT_FALSE(pair.server->write({"."}));
    ASSERT_FALSE(pair.client->write({"."}));
    EXPECT_EQ(harness_.await(read_at_least(*pair.client, 1)).bytes, ".");
    EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).bytes, ".");
  }

  static TlsHarness* tls_;
  IoHarness harness_;
  int events_ = 0;
};
TlsHarness* StreamTlsTest::tls_ = nullptr;

TEST_F(StreamTlsTest, ShakesHandsAndCarriesBothWays) {
  TlsPair pair(harness_, *tls_);
  EXPECT_FALSE(pair.client_error);
  EXPECT_FALSE(pair.server_error);
  EXPECT_TRUE(pair.client->is_tls());
  EXPECT_EQ(drain(*pair.server).error, StreamError::would_block);
  ASSERT_FALSE(pair.client->write({"hello ", "server"}));
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 12)).bytes, "hello server");
  ASSERT_FALSE(pair.server->write({"hello client"}));
  EXPECT_EQ(harness_.await(read_at_least(*pair.client, 12)).bytes, "hello client");
}

TEST_F(StreamTlsTest, TellsWhenNothingIsLeft) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  char bytes[8];
  ASSERT_FALSE(pair.client->write({"hello, stream"}));
  harness_.settle();
  EXPECT_FALSE(pair.server->read_some(bytes, sizeof bytes).drained) << "OpenSSL holds the rest of the record";
  EXPECT_TRUE(pair.server->read_some(bytes, sizeof bytes).drained);
}

// RFC 8446 4.6.3 lets a peer send them without end, and OpenSSL reads on underneath.
TEST_F(StreamTlsTest, AFloodOfKeyUpdatesEndsTheConnectionAndAFewDoNot) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  const auto update = [&pair](int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(SSL_key_update(pair.client->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_EQ(SSL_do_handshake(pair.client->ssl()), 1);
    }
  };
  update(20);
  ASSERT_FALSE(pair.client->write({"data"}));
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 4)).bytes, "data");
  update(40);
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).error, StreamError::tls_failed);
}

// OpenSSL declines a renegotiation when the whole hello is there, and takes memory for what it says of its
// length before.
TEST_F(StreamTlsTest, AHelloOfARenegotiationThatNeverComesWholeEndsTheConnection) {
  SslPtr session = tls_->client_session("localhost");
  SSL_set_max_proto_version(session.get(), TLS1_2_VERSION);
  SSL_clear_options(session.get(), SSL_OP_NO_RENEGOTIATION);
  TlsPair pair(harness_, std::move(session), tls_->server_session());
  quiet(pair);
  // A long hello, of which the first record alone is sent.
  SSL* client = pair.client->ssl();
  ASSERT_EQ(SSL_set_cipher_list(client, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), 1);
  ASSERT_EQ(SSL_set_tlsext_host_name(client, std::string(250, 'n').c_str()), 1);
  ASSERT_EQ(SSL_set_max_send_fragment(client, 512), 1);
  BIO* sent = BIO_new(BIO_s_mem());
  SSL_set0_wbio(client, sent);
  ASSERT_EQ(SSL_renegotiate(client), 1);
  SSL_do_handshake(client);
  char* bytes = nullptr;
  ASSERT_GT(BIO_get_mem_data(sent, &bytes), 600);
  const std::size_t record = 5 + (static_cast<std::size_t>(static_cast<unsigned char>(bytes[3])) << 8 |
                                  static_cast<unsigned char>(bytes[4]));
  ASSERT_EQ(::send(pair.client->descriptor(), bytes, record, 0), static_cast<ssize_t>(record));
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).error, StreamError::tls_failed);
  EXPECT_EQ(harness_.metrics.tls_renegotiation.value(), 1u);
}

TEST_F(StreamTlsTest, RecordsAroundTheInlineBufferAndTheRecordSizeArriveWhole) {
  TlsPair pair(harness_, *tls_);
  for (const std::size_t size :
       {1u, 200u, 233u, 234u, 235u, 255u, 256u, 257u, 16383u, 16384u, 16385u, 65536u, 65537u, 300000u}) {
    for (const std::size_t piece : {size_t{1000}, size_t{65536}}) {
      const std::string sent = pattern(size);
      ASSERT_FALSE(pair.client->write({"head", sent}));
      EXPECT_EQ(harness_.await(read_at_least(*pair.server, size + 4, piece)).bytes, "head" + sent) << size;
    }
  }
}

TEST_F(StreamTlsTest, WaitsForRecordsThatComeInPieces) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  const std::string sent = pattern(100000);
  bool readable = false;
  harness_.spawn(wait_readable(*pair.server), readable);
  harness_.settle();
  ASSERT_FALSE(pair.client->write({sent}));
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, sent.size())).bytes, sent);
}

TEST_F(StreamTlsTest, ALargeWriteIsKeptAndSentAsThePeerTakesIt) {
  TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
  const std::string a = pattern(20000);
  const std::string b = pattern(400000);
  ASSERT_FALSE(pair.client->write({a, b, "end"}));
  EXPECT_FALSE(pair.client->flushed());
  EXPECT_GT(harness_.held.held(), 0u);
  bool flushed = false;
  harness_.spawn(wait_flushed(*pair.client), flushed);
  harness_.settle();
  EXPECT_FALSE(flushed);
  const std::string whole = a + b + "end";
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, whole.size())).bytes, whole);
  ASSERT_TRUE(harness_.run_until([&] { return flushed; }));
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamTlsTest, OverTheBudgetASlowPeerIsCut) {
  IoHarness small(32 * 1024);
  {
    TlsPair pair(small, *tls_, "localhost", 16 * 1024);
    EXPECT_EQ(pair.client->write({pattern(200000)}), StreamError::held_limit);
    EXPECT_EQ(pair.client->write({"x"}), StreamError::held_limit);
    small.settle();
    EXPECT_EQ(small.held.held(), 0u);
  }
  {  // one record at a time
    TlsPair pair(small, *tls_, "localhost", 16 * 1024);
    ErrorCode error;
    for (int i = 0; i < 100 && !error; ++i) error = pair.client->write({pattern(8000)});
    EXPECT_EQ(error, StreamError::held_limit);
  }
}

TEST_F(StreamTlsTest, CloseNotifyIsAnOrderlyEnd) {
  TlsPair pair(harness_, *tls_);
  ASSERT_FALSE(pair.client->write({"all of it"}));
  pair.client->shutdown_write();
  const Drained all = harness_.await(read_at_least(*pair.server, 100));
  EXPECT_EQ(all.bytes, "all of it");
  EXPECT_EQ(all.error, StreamError::eof);
  EXPECT_TRUE(pair.server->readable_now());
  // The other direction stays open.
  ASSERT_FALSE(pair.server->write({"answer"}));
  EXPECT_EQ(harness_.await(read_at_least(*pair.client, 6)).bytes, "answer");
  EXPECT_TRUE(pair.client->write({"too late"}));
}

TEST_F(StreamTlsTest, ClosingAHealthyStreamSaysCloseNotify) {
  TlsPair pair(harness_, *tls_);
  pair.client.reset();
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).error, StreamError::eof);
}

// RFC 8446 6.1: an end without close_notify may have been made by an attacker.
TEST_F(StreamTlsTest, AnEndWithoutCloseNotifyIsTruncation) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  ASSERT_FALSE(pair.client->write({"half of"}));
  pair.client->abort(StreamError::cancelled);
  pair.client.reset();
  const Drained all = harness_.await(read_at_least(*pair.server, 100));
  EXPECT_EQ(all.bytes, "half of");
  EXPECT_EQ(all.error, StreamError::truncated);
  EXPECT_EQ(pair.server->error(), StreamError::truncated) << "it stays";
  EXPECT_EQ(drain(*pair.server).error, StreamError::truncated);
}

TEST_F(StreamTlsTest, AnEndInTheMiddleOfARecordIsTruncation) {
  TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
  quiet(pair);
  ASSERT_FALSE(pair.client->write({pattern(300000)}));
  ASSERT_FALSE(pair.client->flushed());
  pair.client.reset();  // in the middle of what it had to send: no close_notify fits in
  const Drained all = harness_.await(read_at_least(*pair.server, 300000));
  EXPECT_LT(all.bytes.size(), 300000u);
  EXPECT_EQ(all.error, StreamError::truncated);
}

TEST_F(StreamTlsTest, GarbageIsATlsFailure) {
  auto [socket, peer] = harness_.unix_pair();
  StreamPtr server = Stream::secure(harness_.io, std::move(socket), tls_->server_session());
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(harness_.await(server->handshake()), StreamError::tls_failed);
  EXPECT_EQ(server->error(), StreamError::tls_failed);
}

TEST_F(StreamTlsTest, GarbageAfterTheHandshakeIsATlsFailure) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  const std::string garbage = "this is no TLS record at all, but long enough for one";
  ASSERT_GT(::send(pair.client->descriptor(), garbage.data(), garbage.size(), 0), 0);
  EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).error, StreamError::tls_failed);
}

TEST_F(StreamTlsTest, APeerThatLeavesInTheHandshakeFailsIt) {
  auto [socket, peer] = harness_.unix_pair();
  StreamPtr client = Stream::secure(harness_.io, std::move(socket), tls_->client_session());
  ErrorCode error;
  bool done = false;
  harness_.spawn(test::shake_hands(*client, error), done);
  harness_.settle();
  EXPECT_FALSE(done);
  EXPECT_FALSE(peer.receive().empty()) << "the client has said hello";
  peer.close();
  ASSERT_TRUE(harness_.run_until([&] { return done; }));
  EXPECT_TRUE(error);
}

TEST_F(StreamTlsTest, AnAbortEndsAHandshakeThatWaits) {
  auto [socket, peer] = harness_.unix_pair();
  StreamPtr server = Stream::secure(harness_.io, std::move(socket), tls_->server_session());
  ErrorCode error;
  bool done = false;
  harness_.spawn(test::shake_hands(*server, error), done);
  harness_.settle();
  EXPECT_FALSE(done);
  server->abort(StreamError::timed_out);
  harness_.settle();
  EXPECT_TRUE(done);
  EXPECT_EQ(error, StreamError::timed_out);
}

TEST_F(StreamTlsTest, AWrongNameFailsTheHandshakeOnBothSides) {
  TlsPair pair(harness_, *tls_, "other.example");
  EXPECT_EQ(pair.client_error, StreamError::verify_failed);
  EXPECT_THAT(verify_failure_text(pair.client->ssl()), ::testing::HasSubstr("mismatch"));
  // In TLS 1.3 the server is done before the client looks: it reads the alert.
  if (!pair.server_error) {
    EXPECT_EQ(harness_.await(read_at_least(*pair.server, 1)).error, StreamError::tls_failed);
  }
}

TEST_F(StreamTlsTest, WatchEndTellsOfCloseNotifyAndNotOfBytes) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  pair.server->watch_end(&count, &events_);
  harness_.settle();
  EXPECT_EQ(events_, 0);
  ASSERT_FALSE(pair.client->write({"bytes"}));
  harness_.settle();
  EXPECT_EQ(events_, 0);
  EXPECT_EQ(drain(*pair.server).bytes, "bytes");
  pair.server->watch_end(&count, &events_);
  pair.client->shutdown_write();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  EXPECT_EQ(drain(*pair.server).error, StreamError::eof);
}

// What ended the watch was read from the socket by then: reading must still tell of it, though no event will.
TEST_F(StreamTlsTest, WhatAWatchHasSeenIsThereForTheReader) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  pair.server->watch_end(&count, &events_);
  ASSERT_EQ(SSL_shutdown(pair.client->ssl()), 0);  // close_notify, and no FIN behind it
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  EXPECT_EQ(drain(*pair.server).error, StreamError::eof);
  EXPECT_EQ(drain(*pair.server).error, StreamError::eof) << "it stays";
}

TEST_F(StreamTlsTest, AFailureThatAWatchHasSeenIsThereForTheReader) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  pair.server->watch_end(&count, &events_);
  const std::string garbage = "this is no TLS record at all, but long enough for one";
  ASSERT_GT(::send(pair.client->descriptor(), garbage.data(), garbage.size(), 0), 0);
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  EXPECT_EQ(drain(*pair.server).error, StreamError::tls_failed);
}

TEST_F(StreamTlsTest, WatchEndTellsOfTruncation) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  pair.server->watch_end(&count, &events_);
  pair.client->abort(StreamError::cancelled);
  pair.client.reset();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
}

// The server's session tickets come after the handshake: TLS's own records are no bytes.
TEST_F(StreamTlsTest, WatchIdleIsSilentAboutTlsOwnRecords) {
  TlsPair pair(harness_, *tls_);
  pair.client->watch_idle(&count, &events_);
  SSL_key_update(pair.server->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
  SSL_do_handshake(pair.server->ssl());
  harness_.run_for(20ms);
  EXPECT_EQ(events_, 0);
  ASSERT_FALSE(pair.server->write({"unasked"}));
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
}

// OpenSSL reads ahead: a whole record may lie in its buffer, which no event on the socket announces.
TEST_F(StreamTlsTest, WatchIdleTellsOfARecordThatWasReadAlready) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  ASSERT_FALSE(pair.server->write({"wanted"}));
  ASSERT_FALSE(pair.server->write({"unasked"}));
  std::string memory(6, '\0');
  bool readable = false;
  harness_.spawn(wait_readable(*pair.client), readable);
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  ASSERT_EQ(pair.client->read_some(memory.data(), 6).size, 6u);
  EXPECT_EQ(memory, "wanted");
  pair.client->watch_idle(&count, &events_);
  EXPECT_TRUE(harness_.run_until([&] { return events_ > 0; }, 200ms));
}

TEST_F(StreamTlsTest, ReadsOnInWhatWasReadAlready) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  ASSERT_FALSE(pair.server->write({"first!"}));
  ASSERT_FALSE(pair.server->write({"second"}));
  std::string memory(6, '\0');
  bool readable = false;
  harness_.spawn(wait_readable(*pair.client), readable);
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  ASSERT_EQ(pair.client->read_some(memory.data(), 6).size, 6u);
  EXPECT_EQ(drain(*pair.client).bytes, "second");
}

TEST_F(StreamTlsTest, AKeyUpdateIsAnsweredAndBytesGoOn) {
  TlsPair pair(harness_, *tls_);
  quiet(pair);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(SSL_key_update(pair.server->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_FALSE(pair.server->write({"ping"}));
    ASSERT_EQ(harness_.await(read_at_least(*pair.client, 4)).bytes, "ping");
    ASSERT_FALSE(pair.client->write({"pong"}));
    ASSERT_EQ(harness_.await(read_at_least(*pair.server, 4)).bytes, "pong");
  }
}

// A peer that asks for a KeyUpdate over and over and reads no answer must not make them pile up here.
TEST_F(StreamTlsTest, AnswersToKeyUpdatesDoNotPileUp) {
  TlsPair pair(harness_, *tls_, "localhost", 4 * 1024);
  quiet(pair);
  bool stuck = false;
  std::size_t most = 0;
  for (int i = 0; i < 20000 && !stuck; ++i) {
    if (SSL_key_update(pair.server->ssl(), SSL_KEY_UPDATE_REQUESTED) != 1) break;
    if (pair.server->write({"x"})) break;
    stuck = !pair.server->flushed();
    drain(*pair.client);
    harness_.loop.turn(0ms);
    most = std::max<std::size_t>(most, harness_.held.held());
  }
  EXPECT_LT(most, 256u * 1024);
  EXPECT_FALSE(pair.client->error());
}

// One write's worth that waits for a slow peer is the owner's, not TLS's: reading goes on beside it, or two
// peers that both write first would wait for each other.
TEST_F(StreamTlsTest, AFullWriteThatIsKeptDoesNotStopReading) {
  const std::string little(100, 'x');
  std::size_t fits = 0;  // such writes until the socket is full
  {
    TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
    for (; pair.client->flushed(); ++fits) ASSERT_FALSE(pair.client->write({little}));
    --fits;
  }
  TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
  for (std::size_t i = 0; i < fits; ++i) ASSERT_FALSE(pair.client->write({little}));
  ASSERT_TRUE(pair.client->flushed());
  ASSERT_FALSE(pair.client->write({pattern(64 * 1024)}));
  ASSERT_FALSE(pair.client->flushed());
  ASSERT_FALSE(pair.server->write({"meanwhile"}));
  bool readable = false;
  harness_.spawn(wait_readable(*pair.client), readable);
  EXPECT_TRUE(harness_.run_until([&] { return readable; }, 500ms));
  EXPECT_EQ(drain(*pair.client).bytes, "meanwhile");
}

TEST_F(StreamTlsTest, MayBeDestroyedWithOperationsPending) {
  {
    TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
    ASSERT_FALSE(pair.client->write({pattern(300000)}));
    bool readable = false;
    harness_.spawn(wait_readable(*pair.client), readable);
    harness_.spawn(wait_readable(*pair.server), readable);
    harness_.settle();
  }
  harness_.settle();
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamTlsTest, MayBeDestroyedInTheHandshake) {
  auto [socket, peer] = harness_.unix_pair();
  StreamPtr client = Stream::secure(harness_.io, std::move(socket), tls_->client_session());
  ErrorCode error;
  bool done = false;
  harness_.spawn(test::shake_hands(*client, error), done);
  harness_.settle();
  client.reset();
  harness_.settle();
  EXPECT_FALSE(done);
}

// close_notify, too, waits its turn behind bytes that are kept.
TEST_F(StreamTlsTest, ShutdownComesAfterTheBytesThatAreKept) {
  TlsPair pair(harness_, *tls_, "localhost", 16 * 1024);
  const std::string sent = pattern(300000);
  ASSERT_FALSE(pair.client->write({sent}));
  ASSERT_FALSE(pair.client->flushed());
  pair.client->shutdown_write();
  const Drained all = harness_.await(read_at_least(*pair.server, sent.size() + 1));
  EXPECT_EQ(all.bytes, sent);
  EXPECT_EQ(all.error, StreamError::eof);
}

}  // namespace
}  // namespace sluice::tls
