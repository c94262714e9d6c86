// An owner of a session that keeps what it is told, and a session with it.
#pragma once

#include <algorithm>
#include <list>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http2/session.h"
#include "tests/support/h2_frames.h"

namespace sluice::http2 {

struct KeptStream final : StreamState {
  StreamId id = 0;
  test::h2::Fields head, trailers;
  bool head_done = false, trailers_done = false, ended = false, closed = false, by_peer = false;
  Code code = Code::no_error;
  std::string body;            // what came
  std::size_t unconsumed = 0;  // with `hold`
  // What goes.
  std::string to_send;
  bool to_end = false;
  http::Headers to_trail;
};

class KeptEvents final : public SessionEvents {
 public:
  KeptStream& at(StreamId id) {
    const auto found = std::find_if(streams.begin(), streams.end(),
                                    [id](const KeptStream& stream) { return stream.id == id; });
    if (found == streams.end()) throw std::out_of_range("no such stream");
    return *found;
  }

  StreamState* began(StreamId id) override {
    if (refuse) return nullptr;
    streams.emplace_back().id = id;
    return &streams.back();
  }
  bool field(StreamId, StreamState& state, std::string_view name, std::string_view value,
             bool trailer) override {
    if (name == refused_field) return false;
    if (name == starving_field) throw std::bad_alloc();
    (trailer ? of(state).trailers : of(state).head).emplace_back(name, value);
    return true;
  }
  void head_done(StreamId id, StreamState& state, bool trailer, bool) override {
    (trailer ? of(state).trailers_done : of(state).head_done) = true;
    if (!trailer) asked.push_back(id);
  }
  void data(StreamId id, StreamState& state, std::string_view bytes) override {
    of(state).body += bytes;
    of(state).unconsumed += bytes.size();
    if (!hold) consume(id);
  }
  void peer_ended(StreamId, StreamState& state) override { of(state).ended = true; }
  void closed(StreamId, StreamState& state, Code code, bool by_peer) override {
    of(state).closed = true;
    of(state).code = code;
    of(state).by_peer = by_peer;
  }
  Due due(StreamId, StreamState& state, std::size_t most) override {
    const KeptStream& stream = of(state);
    const std::size_t size = std::min(most, stream.to_send.size());
    return {size, stream.to_end && size == stream.to_send.size(), &stream.to_trail};
  }
  void take(StreamId, StreamState& state, std::size_t size, std::string& out) override {
    out.append(of(state).to_send, 0, size);
    if (starves) throw std::bad_alloc();
    of(state).to_send.erase(0, size);
  }
  void settings_came() override { ++settings; }
  void pong(std::uint64_t payload) override { pongs.push_back(payload); }
  void went_away(Code code, StreamId) override { away.push_back(code); }

  void consume(StreamId id) {
    session->consumed(id, at(id).unconsumed);
    at(id).unconsumed = 0;
  }

  Session* session = nullptr;
  std::list<KeptStream> streams;
  std::vector<StreamId> asked;
  int settings = 0;
  std::vector<std::uint64_t> pongs;
  std::vector<Code> away;
  bool refuse = false;
  bool hold = false;
  std::string refused_field;
  // Run out of memory there.
  std::string starving_field;
  bool starves = false;

 private:
  static KeptStream& of(StreamState& state) { return static_cast<KeptStream&>(state); }
};

struct ServerEnd {
  explicit ServerEnd(const SessionRules& rules = {}) : session(rules, events) { events.session = &session; }

  // Everything that is due now.
  std::string produced() {
    std::string out;
    session.produce(out, 1 << 20);
    return out;
  }
  std::vector<test::h2::Frame> frames() { return test::h2::split(produced()); }

  KeptEvents events;
  Session session;
};

}  // namespace sluice::http2
