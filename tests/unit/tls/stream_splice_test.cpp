// Bytes that go from socket to socket through the worker's pipe.
#include <fcntl.h>

#include "tests/support/io_harness.h"
#include "tls/held_share.h"
#include "tls/stream.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using test::drain;
using test::IoHarness;
using test::pattern;
using test::Peer;

class StreamSpliceTest : public ::testing::Test {
 protected:
  void open(int buffer_size = 0) {
    std::tie(from_, sender_) = harness_.plain_stream(buffer_size);
    std::tie(to_, receiver_) = harness_.plain_stream(buffer_size);
  }
  void open_tcp() {
    std::tie(from_, sender_) = harness_.tcp_stream();
    std::tie(to_, receiver_) = harness_.tcp_stream();
  }
  // Splices whatever comes, until `size` bytes have gone; what the receiver got of them meanwhile.
  std::string splice_all(std::size_t size) {
    std::string received;
    std::size_t gone = 0;
    EXPECT_TRUE(harness_.run_until([&] {
      if (from_->can_splice_to(*to_) && gone < size) gone += spliced(size - gone);
      received += receiver_.receive();
      return received.size() >= size;
    }));
    EXPECT_EQ(gone, size);
    return received;
  }
  // How much went; 0 for nothing.
  std::size_t spliced(std::size_t size) { return from_->splice_to(*to_, size).value_or(ReadResult{}).size; }
  int bytes_in_pipe() {
    char byte;
    const ssize_t n = ::read(harness_.io.splice_pipe.out(), &byte, 1);
    return static_cast<int>(n > 0 ? n : 0);
  }

  IoHarness harness_;
  StreamPtr from_, to_;
  Peer sender_, receiver_;
};

TEST_F(StreamSpliceTest, TakesNoMoreThanItIsAskedFor) {
  open_tcp();
  sender_.send("0123456789");
  harness_.settle();
  ASSERT_TRUE(from_->can_splice_to(*to_));
  EXPECT_EQ(spliced(4), 4u);
  EXPECT_EQ(drain(*from_).bytes, "456789");
  harness_.settle();
  EXPECT_EQ(receiver_.receive(), "0123");
  EXPECT_EQ(to_->bytes_written(), 4u);
}

TEST_F(StreamSpliceTest, WithNothingThereItWouldBlockAndBytesThatComeLaterAreSeen) {
  open_tcp();
  EXPECT_EQ(from_->splice_to(*to_, 100)->error, StreamError::would_block);
  sender_.send("late");
  ASSERT_TRUE(harness_.run_until([&] { return from_->readable_now(); }));
  EXPECT_EQ(spliced(100), 4u);
  EXPECT_FALSE(from_->splice_to(*to_, 100)) << "reading tells";
  EXPECT_EQ(drain(*from_).error, StreamError::would_block);
}

// The pipe has a place for each fragment: what it had no place for is still there, and no event will tell of it.
TEST_F(StreamSpliceTest, AShortSpliceIsNoSignThatNothingIsLeft) {
  open();
  ASSERT_GT(::fcntl(harness_.io.splice_pipe.in(), F_SETPIPE_SZ, 4096), 0);
  const std::string piece = pattern(5000);
  for (int i = 0; i < 3; ++i) sender_.send(piece);
  harness_.settle();
  const std::size_t first = spliced(3 * piece.size());
  EXPECT_LT(first, 3 * piece.size());
  EXPECT_TRUE(drain(*from_).bytes == (piece + piece + piece).substr(first));
}

TEST_F(StreamSpliceTest, UrgentDataIsPassedBy) {
  open_tcp();
  sender_.send("before");
  ASSERT_EQ(::send(sender_.descriptor(), "!", 1, MSG_OOB), 1);
  sender_.send("behind");
  ASSERT_TRUE(harness_.run_until([&] { return from_->readable_now(); }));
  EXPECT_EQ(spliced(100), 6u);
  EXPECT_FALSE(from_->splice_to(*to_, 100)) << "reading tells";
  EXPECT_EQ(drain(*from_).bytes, "behind");
}

TEST_F(StreamSpliceTest, ASenderThatDripsIsReadUntilMoreComesAtATime) {
  open();
  sender_.send(pattern(100));
  harness_.settle();
  EXPECT_EQ(spliced(64 * 1024), 100u);
  EXPECT_FALSE(from_->can_splice_to(*to_));
  sender_.send(pattern(4095));
  harness_.settle();
  EXPECT_EQ(drain(*from_).bytes.size(), 4095u);
  EXPECT_FALSE(from_->can_splice_to(*to_));
  sender_.send(pattern(4096));
  harness_.settle();
  EXPECT_EQ(drain(*from_).bytes.size(), 4096u);
  EXPECT_TRUE(from_->can_splice_to(*to_));
}

TEST_F(StreamSpliceTest, PeekingTakesNothing) {
  open_tcp();
  char header[14];
  EXPECT_EQ(from_->peek(header, sizeof header).error, StreamError::would_block);
  sender_.send("abc");
  ASSERT_TRUE(harness_.run_until([&] { return from_->readable_now(); }));
  EXPECT_EQ(from_->peek(header, sizeof header).size, 3u);
  EXPECT_EQ(from_->peek(header, 2).size, 2u);
  EXPECT_EQ(drain(*from_).bytes, "abc");
}

TEST_F(StreamSpliceTest, CarriesMebibytesInOrderThroughSmallSockets) {
  open(8 * 1024);
  const std::string bytes = pattern(2 * 1024 * 1024 + 7);
  std::size_t sent = 0;
  std::string received;
  std::size_t gone = 0;
  ASSERT_TRUE(harness_.run_until([&] {
    sent += sender_.send_some(std::string_view(bytes).substr(sent));
    if (from_->can_splice_to(*to_)) gone += spliced(bytes.size() - gone);
    received += receiver_.receive(20000);
    return received.size() == bytes.size();
  }));
  EXPECT_TRUE(received == bytes);
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamSpliceTest, WhatTheReceiverDoesNotTakeIsKeptAndCountedAndThePipeIsFree) {
  open(8 * 1024);
  const std::string bytes = pattern(600 * 1024);
  std::size_t sent = 0, gone = 0;
  ASSERT_TRUE(harness_.run_until([&] {
    sent += sender_.send_some(std::string_view(bytes).substr(sent));
    gone += spliced(kMostSpliced);
    return !to_->flushed();
  }));
  EXPECT_GT(harness_.held.held(), 0u);
  EXPECT_LE(harness_.held.held(), kMostSpliced);
  const std::size_t first_stall = gone;
  EXPECT_FALSE(from_->can_splice_to(*to_));
  EXPECT_EQ(bytes_in_pipe(), 0);
  std::string received;
  ASSERT_TRUE(harness_.run_until([&] {
    received += receiver_.receive();
    return received.size() == gone;
  }));
  EXPECT_TRUE(received == bytes.substr(0, gone));
  EXPECT_TRUE(to_->flushed());
  ASSERT_TRUE(harness_.run_until([&] {
    sent += sender_.send_some(std::string_view(bytes).substr(sent));
    gone += spliced(kMostSpliced);
    return !to_->flushed();
  })) << first_stall;
  EXPECT_LE(harness_.held.held(), kRelayBlock) << "it was slow before";
  received.clear();
  ASSERT_TRUE(harness_.run_until([&] {
    received += receiver_.receive();
    return received.size() == gone - first_stall;
  }));
  EXPECT_TRUE(from_->can_splice_to(*to_));
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamSpliceTest, OverTheBudgetTheReceiverIsCutAndThePipeIsFree) {
  open(8 * 1024);
  HeldShare other(harness_.io);
  ASSERT_TRUE(other.take((1 << 30) - 1000));
  for (int i = 0; i < 100 && !to_->write_error(); ++i) {
    sender_.send_some(pattern(64 * 1024));
    from_->splice_to(*to_, kMostSpliced);
    harness_.settle();
  }
  EXPECT_EQ(to_->write_error(), StreamError::held_limit);
  EXPECT_EQ(bytes_in_pipe(), 0);
}

TEST_F(StreamSpliceTest, AReceiverThatIsGoneFailsTheWritingAndNobodyFindsItsBytes) {
  open_tcp();
  receiver_.reset();
  sender_.send(pattern(100 * 1024));
  ASSERT_TRUE(harness_.run_until([&] {
    from_->splice_to(*to_, 1000);
    return bool(to_->write_error());
  }));
  EXPECT_FALSE(from_->error());
  EXPECT_EQ(bytes_in_pipe(), 0);
}

TEST_F(StreamSpliceTest, TheSendersEndAndResetAreToldAsByReading) {
  open_tcp();
  sender_.send("last");
  sender_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return from_->readable_now(); }));
  EXPECT_EQ(splice_all(4), "last");
  EXPECT_FALSE(from_->splice_to(*to_, 100)) << "reading tells";
  EXPECT_EQ(drain(*from_).error, StreamError::eof);

  open_tcp();
  sender_.reset();
  ErrorCode error;
  ASSERT_TRUE(harness_.run_until([&] {
    error = from_->splice_to(*to_, 100).value_or(ReadResult{}).error;
    return error && error != StreamError::would_block;
  }));
  EXPECT_EQ(error, std::errc::connection_reset);
  EXPECT_EQ(from_->error(), std::errc::connection_reset);
}

TEST_F(StreamSpliceTest, NotOverTlsNorWithBytesOfOurOwn) {
  open_tcp();
  EXPECT_TRUE(from_->can_splice_to(*to_));
  from_->unread("x");
  EXPECT_FALSE(from_->can_splice_to(*to_)) << "they come first";
  EXPECT_TRUE(to_->can_splice_to(*from_));
  harness_.io.splice_pipe.give_up();
  EXPECT_FALSE(to_->can_splice_to(*from_));
}

}  // namespace
}  // namespace sluice::tls
