// A fast origin on a free loopback port: /1k, /1m, and an echo at /ws and below it, which compresses its messages by itself when it is
// asked to, over HTTP/1.1; 1 KiB for any request over HTTP/2 with prior knowledge. Prints its port; ends with its stdin.

#include <strings.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "buffer.h"
#include "deflate.h"
#include "http2_answers.h"
#include "transport.h"
#include "websocket.h"

namespace sluice::bench {
namespace {

constexpr size_t kScratch = 256 * 1024;
constexpr uint64_t kMaxFrame = 256u << 20;

// What a connection compresses with, from its first message on.
struct Codec {
  Inflater inflater;
  Deflater deflater;
};

struct Connection {
  explicit Connection(Fd fd) : transport(std::move(fd), nullptr, Transport::Role::server) {}
  Transport transport;
  std::unique_ptr<Buffer> held;  // an incomplete head or frame
  bool websocket = false;
  bool deflates = false;
  std::unique_ptr<Codec> codec;
  std::unique_ptr<Http2Answers> http2;
  bool closing = false;
};

std::string make_response(size_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
         std::to_string(length) + "\r\n\r\n" + std::string(length, 'x');
}

std::string_view field(std::string_view head, std::string_view name) {
  for (size_t line = head.find("\r\n"); line != std::string_view::npos; line = head.find("\r\n", line + 2)) {
    std::string_view rest = head.substr(line + 2);
    if (rest.size() <= name.size() || rest[name.size()] != ':' ||
        ::strncasecmp(rest.data(), name.data(), name.size()) != 0) {
      continue;
    }
    rest.remove_prefix(name.size() + 1);
    rest = rest.substr(0, rest.find("\r\n"));
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
    return rest;
  }
  return {};
}

class Origin {
 public:
  Origin() : listener_(listen_on_loopback(port_)), scratch_(std::make_unique<char[]>(kScratch)) {}

  void run();

 private:
  void accept_all();
  void serve(Connection& connection);
  bool serve_ready(Connection& connection);
  // Answers what is complete and returns how many bytes that were; sets `wanted` to the room the rest needs.
  size_t answer(Connection& connection, char* data, size_t size, size_t& wanted);
  size_t answer_next(Connection& connection, char* data, size_t size, size_t& wanted);
  size_t answer_request(Connection& connection, std::string_view data);
  void upgrade(Connection& connection, std::string_view head, std::string_view key);
  size_t answer_frame(Connection& connection, const char* data, size_t size, size_t& wanted);
  void echo(Connection& connection, const FrameHead& head, const char* payload, size_t size);
  bool echo_deflated(Connection& connection, const FrameHead& head, const char* payload, size_t size);

  std::unique_ptr<Buffer> take_buffer();
  void give_back(std::unique_ptr<Buffer> buffer);

  uint16_t port_ = 0;
  Fd listener_;
  Poller poller_;
  std::unique_ptr<char[]> scratch_;
  Buffer out_;
  Buffer unmasked_, plain_, deflated_;  // of the one message that is compressed
  std::vector<std::unique_ptr<Buffer>> spare_;
  const std::string body_ = std::string(1024, 'x');
  const std::string small_ = make_response(1024);
  const std::string large_ = make_response(1024 * 1024);
};

void Origin::run() {
  poller_.add_listener(listener_.get(), this);
  poller_.add_standard_input(nullptr);
  std::printf("%u\n", port_);
  std::fflush(stdout);
  for (;;) {
    for (const epoll_event& event : poller_.wait(-1)) {
      if (event.data.ptr == nullptr) return;
      if (event.data.ptr == this) {
        accept_all();
        continue;
      }
      // Only this event's own connection is ever deleted, and each appears once per wait.
      auto& connection = *static_cast<Connection*>(event.data.ptr);
      connection.transport.on_ready(event.events);
      serve(connection);
    }
  }
}

void Origin::accept_all() {
  while (Fd fd = accept_connection(listener_.get())) {
    int number = fd.get();
    poller_.add_connection(number, new Connection(std::move(fd)));
  }
}

void Origin::serve(Connection& connection) {
  if (serve_ready(connection)) return;
  if (connection.held) give_back(std::move(connection.held));
  delete &connection;
}

bool Origin::serve_ready(Connection& connection) {
  Transport& transport = connection.transport;
  if (!transport.flush()) return false;
  while (!transport.has_unsent()) {
    if (connection.closing) return false;
    Buffer* held = connection.held.get();
    ptrdiff_t got =
        held ? transport.read(held->tail(), held->room()) : transport.read(scratch_.get(), kScratch);
    if (got == Transport::kNothing) return true;
    if (got <= 0) return false;
    if (held) held->add(static_cast<size_t>(got));
    char* data = held ? held->data() : scratch_.get();
    size_t size = held ? held->size() : static_cast<size_t>(got);
    size_t wanted = 0;
    out_.clear();
    size_t used = answer(connection, data, size, wanted);
    if (out_.size() > 0 && !transport.write(out_.data(), out_.size())) return false;
    if (used == size) {
      if (held) give_back(std::move(connection.held));
      continue;
    }
    if (held) {
      held->drop_front(used);
    } else {
      connection.held = take_buffer();
      connection.held->append(data + used, size - used);
    }
    connection.held->ensure_room(std::max<size_t>(wanted, 16 * 1024));
  }
  return true;
}

size_t Origin::answer(Connection& connection, char* data, size_t size, size_t& wanted) {
  size_t used = 0;
  while (used < size && !connection.closing) {
    size_t step = answer_next(connection, data + used, size - used, wanted);
    if (step == 0) break;
    used += step;
  }
  return used;
}

size_t Origin::answer_next(Connection& connection, char* data, size_t size, size_t& wanted) {
  if (connection.websocket) return answer_frame(connection, data, size, wanted);
  if (connection.http2) return connection.http2->answer({data, size}, out_, connection.closing);
  return answer_request(connection, {data, size});
}

size_t Origin::answer_request(Connection& connection, std::string_view data) {
  size_t end = data.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  std::string_view head = data.substr(0, end + 4);
  if (head.starts_with("GET /1k ")) {
    out_.append(small_.data(), small_.size());
  } else if (head.starts_with("GET /1m ")) {
    out_.append(large_.data(), large_.size());
  } else if (head == "PRI * HTTP/2.0\r\n\r\n") {
    connection.http2 = std::make_unique<Http2Answers>(body_);
  } else if (std::string_view key = field(head, "sec-websocket-key");
             (head.starts_with("GET /ws ") || head.starts_with("GET /ws/")) && !key.empty()) {
    upgrade(connection, head, key);
  } else {
    static constexpr std::string_view kNotFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    out_.append(kNotFound.data(), kNotFound.size());
  }
  return head.size();
}

void Origin::upgrade(Connection& connection, std::string_view head, std::string_view key) {
  connection.websocket = true;
  connection.deflates = field(head, "sec-websocket-extensions") == kDeflateOffer;
  std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_for(key) + "\r\n";
  if (connection.deflates) answer += std::string("Sec-WebSocket-Extensions: ") + kDeflateAnswer + "\r\n";
  answer += "\r\n";
  out_.append(answer.data(), answer.size());
}

// Echoes whole frames, as an application would: an answer never starts before its question is complete.
size_t Origin::answer_frame(Connection& connection, const char* data, size_t size, size_t& wanted) {
  FrameHead head = parse_frame_head(data, size);
  if (head.head_size == 0) return 0;
  if (!head.masked || head.payload_size > kMaxFrame) {
    connection.closing = true;
    return 0;
  }
  size_t payload = static_cast<size_t>(head.payload_size);
  if (size < head.head_size + payload) {
    wanted = head.head_size + payload - size;
    return 0;
  }
  if (!(head.first & kDeflated)) {
    echo(connection, head, data + head.head_size, payload);
  } else if (!echo_deflated(connection, head, data + head.head_size, payload)) {
    connection.closing = true;
  }
  return head.head_size + payload;
}

void Origin::echo(Connection& connection, const FrameHead& head, const char* payload, size_t size) {
  uint8_t opcode = head.first & 0x0f;
  uint8_t first = opcode == kPing ? kFinal | kPong : head.first;
  if (opcode == kClose) connection.closing = true;
  if (opcode == kPong) return;
  out_.ensure_room(size + 10);
  out_.add(write_frame_head(out_.tail(), first, 0, size));
  mask_copy(out_.tail(), payload, size, head.mask);
  out_.add(size);
}

// False for what the load does not send: without the extension, in fragments, or broken.
bool Origin::echo_deflated(Connection& connection, const FrameHead& head, const char* payload, size_t size) {
  if (!connection.deflates || !(head.first & kFinal)) return false;
  if (!connection.codec) connection.codec = std::make_unique<Codec>();
  for (Buffer* buffer : {&unmasked_, &plain_, &deflated_}) buffer->clear();
  unmasked_.ensure_room(size);
  mask_copy(unmasked_.tail(), payload, size, head.mask);
  unmasked_.add(size);
  Inflater& inflater = connection.codec->inflater;
  if (!inflater.inflate(unmasked_.view(), plain_) || !inflater.end_message(plain_)) return false;
  connection.codec->deflater.deflate(plain_.view(), deflated_);
  out_.ensure_room(10);
  out_.add(write_frame_head(out_.tail(), head.first, 0, deflated_.size()));
  out_.append(deflated_.data(), deflated_.size());
  return true;
}

std::unique_ptr<Buffer> Origin::take_buffer() {
  if (spare_.empty()) return std::make_unique<Buffer>();
  auto buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

void Origin::give_back(std::unique_ptr<Buffer> buffer) {
  buffer->clear();
  spare_.push_back(std::move(buffer));
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Arguments(argc, argv, "usage: bench_origin\n").finish();
  std::signal(SIGPIPE, SIG_IGN);
  sluice::bench::Origin().run();
}
