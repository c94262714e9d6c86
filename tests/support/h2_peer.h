// A client of HTTP/2 without I/O: nghttp2 as a browser would use it. What it sends goes into out(), what it
// gets from in().
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/h2_frames.h"

namespace sluice::test {

class H2Peer {
 public:
  using Id = std::int32_t;

  struct Answer {
    std::vector<h2::Fields> heads;  // interim ones, the final one, trailers
    std::string body;
    bool ended = false;
    std::optional<std::uint32_t> closed;  // the code
  };

  // Without `gives_windows` they open by open_window() alone.
  explicit H2Peer(std::uint32_t window = 65535, bool gives_windows = true) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, gives_windows ? 0 : 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    must(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1));
  }
  ~H2Peer() { nghttp2_session_del(session_); }
  H2Peer(const H2Peer&) = delete;
  H2Peer& operator=(const H2Peer&) = delete;

  // A request; with a body it goes on until end().
  Id ask(const h2::Fields& fields, bool with_body = false) {
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const std::vector<nghttp2_nv> list = list_of(fields);
    return must(nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                       with_body ? &provider : nullptr, nullptr));
  }
  void send(Id id, std::string_view bytes) {
    bodies_[id].bytes += bytes;
    nghttp2_session_resume_data(session_, id);
  }
  void end(Id id, h2::Fields trailers = {}) {
    bodies_[id].ends = true;
    bodies_[id].trailers = std::move(trailers);
    nghttp2_session_resume_data(session_, id);
  }
  void reset(Id id, std::uint32_t code) {
    must(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code));
  }
  void open_window(Id id, std::int32_t by) {
    must(nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, id, by));
  }
  void prioritize(Id id, std::string_view field) {
    must(nghttp2_submit_priority_update(session_, NGHTTP2_FLAG_NONE, id,
                                        reinterpret_cast<const std::uint8_t*>(field.data()), field.size()));
  }

  std::string out() {
    std::string bytes;
    const std::uint8_t* data = nullptr;
    while (const auto size = must(nghttp2_session_mem_send(session_, &data))) {
      bytes.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    return bytes;
  }
  void in(std::string_view bytes) {
    must(nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                  bytes.size()));
  }

  Answer& answer(Id id) { return answers_[id]; }
  std::uint32_t setting(nghttp2_settings_id id) { return nghttp2_session_get_remote_settings(session_, id); }
  std::vector<std::pair<Id, std::uint32_t>> went_away;  // last stream, code
  std::vector<Id> data_order;                           // of the streams of each DATA frame that had bytes

 private:
  struct Body {
    std::string bytes;
    bool ends = false;
    h2::Fields trailers;
  };

  template <class Result>
  static Result must(Result result) {
    if (result < 0) throw std::runtime_error(nghttp2_strerror(static_cast<int>(result)));
    return result;
  }
  static H2Peer& peer(void* user_data) { return *static_cast<H2Peer*>(user_data); }
  static std::vector<nghttp2_nv> list_of(const h2::Fields& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields) {
      list.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                      value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return list;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    peer(self).answers_[frame->hd.stream_id].heads.emplace_back();
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* self) {
    peer(self).answers_[frame->hd.stream_id].heads.back().emplace_back(
        std::string(name, name + name_size), std::string(value, value + value_size));
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, Id id, const std::uint8_t* data, std::size_t size,
                     void* self) {
    peer(self).answers_[id].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    const bool message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (message && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      peer(self).answers_[frame->hd.stream_id].ended = true;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0)
      peer(self).data_order.push_back(frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY)
      peer(self).went_away.emplace_back(frame->goaway.last_stream_id, frame->goaway.error_code);
    return 0;
  }
  static int on_close(nghttp2_session*, Id id, std::uint32_t code, void* self) {
    peer(self).answers_[id].closed = code;
    return 0;
  }
  static ssize_t read_body(nghttp2_session* session, Id id, std::uint8_t* buffer, std::size_t most,
                           std::uint32_t* flags, nghttp2_data_source*, void* self) {
    Body& body = peer(self).bodies_[id];
    const std::size_t size = body.bytes.copy(reinterpret_cast<char*>(buffer), most);
    body.bytes.erase(0, size);
    if (body.ends && body.bytes.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!body.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> list = list_of(body.trailers);
        must(nghttp2_submit_trailer(session, id, list.data(), list.size()));
      }
    } else if (size == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(size);
  }

  nghttp2_session* session_ = nullptr;
  std::map<Id, Answer> answers_;
  std::map<Id, Body> bodies_;
};

}  // namespace sluice::test
