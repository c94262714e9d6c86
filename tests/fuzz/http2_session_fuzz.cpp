// A server's session of HTTP/2 and whatever a client sends: what it is told has its order and is told once,
// what it sends are whole frames, and without answers the same events come however the bytes are split.
#include <cctype>
#include <list>
#include <string>
#include <vector>

#include "gateway/http2/session.h"
#include "tests/fuzz/h2_conversation.h"
#include "tests/support/h2_frames.h"

namespace {

using namespace sluice;
using namespace sluice::http2;
using fuzz::Choices;

struct Stream : StreamState {
  StreamId id = 0;
  bool regular_seen = false, head_done = false, trailers_begun = false, trailers_done = false, ended = false,
       closed = false;
  std::string body;
  std::size_t to_send = 0;
  bool to_end = false;
};

class Owner final : public SessionEvents {
 public:
  explicit Owner(Choices* answers)
      : answers_(answers), session_({.max_streams = 4, .max_sent_head = 2000}, *this) {
    trailers_.add("X-Trailer", "1");
  }

  StreamState* began(StreamId id) override {
    FUZZ_CHECK(id % 2 == 1 && id > last_);
    last_ = id;
    note("began", id);
    if (answers_ != nullptr && (*answers_)(8) == 0) return nullptr;
    streams_.emplace_back().id = id;
    return &streams_.back();
  }
  bool field(StreamId id, StreamState& state, std::string_view name, std::string_view value,
             bool trailer) override {
    Stream& stream = of(id, state);
    FUZZ_CHECK(trailer == stream.head_done && !stream.trailers_done && !stream.ended);
    stream.trailers_begun = trailer;
    fuzz::check_field(name, value);
    FUZZ_CHECK(name.front() != ':' || (!trailer && !stream.regular_seen));
    stream.regular_seen = stream.regular_seen || name.front() != ':';
    note(name, id);
    return name != "x-hopeless";
  }
  void head_done(StreamId id, StreamState& state, bool trailer, bool last) override {
    Stream& stream = of(id, state);
    FUZZ_CHECK(trailer == stream.head_done && !stream.trailers_done && (!trailer || last));
    (trailer ? stream.trailers_done : stream.head_done) = true;
    note(trailer ? "trailers" : "head", id);
    if (answers_ != nullptr) answer(stream);
  }
  void data(StreamId id, StreamState& state, std::string_view bytes) override {
    Stream& stream = of(id, state);
    FUZZ_CHECK(stream.head_done && !stream.trailers_begun && !stream.ended && !bytes.empty());
    stream.body += bytes;
    FUZZ_CHECK(answers_ != nullptr || stream.body.size() <= Session::kStreamWindow + Session::kFrameSize);
    if (answers_ != nullptr) session_.consumed(id, bytes.size());
  }
  void peer_ended(StreamId id, StreamState& state) override {
    Stream& stream = of(id, state);
    FUZZ_CHECK(stream.head_done && !stream.ended);
    stream.ended = true;
    note("ended with " + stream.body, id);
  }
  void closed(StreamId id, StreamState& state, Code code, bool by_peer) override {
    of(id, state).closed = true;
    note(by_peer ? "closed by peer" : "closed", id, static_cast<std::uint64_t>(code));
  }
  Due due(StreamId id, StreamState& state, std::size_t most) override {
    const Stream& stream = of(id, state);
    const std::size_t size = std::min(most, stream.to_send);
    due_ = size;
    return {size, stream.to_end && size == stream.to_send, id % 4 == 1 ? &trailers_ : nullptr};
  }
  void take(StreamId id, StreamState& state, std::size_t size, std::string& out) override {
    FUZZ_CHECK(size == due_ && size > 0);
    of(id, state).to_send -= size;
    out.append(size, 'a');
  }
  void settings_came() override { note("settings", 0); }
  void pong(std::uint64_t payload) override { note("pong", 0, payload); }
  void went_away(Code code, StreamId last) override {
    note("went away", last, static_cast<std::uint64_t>(code));
  }

  void feed(std::string_view bytes) {
    const std::string copy(bytes);
    session_.feed(copy);
  }
  // All of it; in steps of `most`.
  void produce(std::size_t most) {
    for (std::size_t before = 1, total = 0; before != 0; total += before) {
      std::string out;
      session_.produce(out, most);
      FUZZ_CHECK(out.size() < most + Session::kFrameSize + 9);
      std::string_view rest;
      for (const test::h2::Frame& frame : test::h2::split(out, &rest)) {
        FUZZ_CHECK(!went_away_);
        went_away_ = frame.type == test::h2::kGoaway && frame.number_at(4, 4) != 0;
        if (frame.type != test::h2::kWindowUpdate)
          note("sent", static_cast<StreamId>(frame.stream), frame.type);
      }
      FUZZ_CHECK(rest.empty() || rest.size() >= Session::kFrameSize);
      before = out.size();
      FUZZ_CHECK(total < (1 << 24));
    }
    FUZZ_CHECK(went_away_ == (session_.fault() != Code::no_error));
    FUZZ_CHECK(!went_away_ || session_.over());
  }
  // Bodies that were waiting, and ends.
  void go_on() {
    for (Stream& stream : streams_) {
      if (stream.closed) continue;
      stream.to_send += (*answers_)(3) * 3000;
      stream.to_end = stream.to_end || (*answers_)(2) == 0;
      session_.resume(stream.id);
    }
    if ((*answers_)(8) == 0) session_.ping(1);
    if ((*answers_)(8) == 0) session_.announce_shutdown(7);
    if ((*answers_)(8) == 0) session_.go_away();
  }
  std::size_t open_streams() const {
    return static_cast<std::size_t>(
        std::count_if(streams_.begin(), streams_.end(), [](const Stream& stream) { return !stream.closed; }));
  }
  const Session& session() const { return session_; }
  const std::string& log() const { return log_; }

 private:
  static Stream& of(StreamId id, StreamState& state) {
    Stream& stream = static_cast<Stream&>(state);
    FUZZ_CHECK(stream.id == id && !stream.closed);
    return stream;
  }

  void note(std::string_view what, StreamId id, std::uint64_t number = 0) {
    log_ += std::to_string(id) + " " + std::string(what) + " " + std::to_string(number) + "\n";
  }

  void answer(Stream& stream) {
    http::Headers headers;
    headers.add("X-Answer", "1");
    headers.add("Connection", "close");
    switch ((*answers_)(7)) {
      case 0:
        return session_.respond(stream.id, 204, headers, false);
      case 1:
        session_.inform(stream.id, 103, headers);
        [[fallthrough]];
      case 2:
        stream.to_send = 5000;
        return session_.respond(stream.id, 200, headers, true);
      case 3:
        return session_.reset(stream.id, Code::cancel);
      case 4:
        return session_.respond(stream.id, 413, headers, false);
      case 5:
        headers.add("X-Long", std::string(3000, 'a'));  // longer than may be sent
        return session_.respond(stream.id, 200, headers, false);
      default:
        return session_.make_incremental(stream.id);
    }
  }

  Choices* answers_;
  http::Headers trailers_;
  std::list<Stream> streams_;
  StreamId last_ = 0;
  std::size_t due_ = 0;
  bool went_away_ = false;
  std::string log_;
  Session session_;
};

// What is told and sent without answers.
std::string outcome(std::string_view bytes, Choices* split) {
  Owner owner(nullptr);
  fuzz::listen(owner, bytes, split);
  return owner.log();
}

void converse(std::string_view bytes) {
  Choices choices(bytes);
  Owner owner(&choices);
  fuzz::converse(owner, bytes, choices);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(fuzz::as_text(data, size));
  // Chance would not find the preface again once it is broken.
  if (!bytes.starts_with("PRI")) bytes.insert(0, test::h2::kPreface);
  Choices split(bytes);
  const std::string whole = outcome(bytes, nullptr);
  // After the client's GOAWAY, with nothing open, all is over; what still came with it may be looked at or
  // not.
  FUZZ_CHECK(whole.find("went away") != std::string::npos || whole == outcome(bytes, &split));
  converse(bytes);
  return 0;
}
