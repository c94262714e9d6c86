// Makes SessionEvents of what nghttp2 calls, and catches what events throw: it is C, and nothing may fly
// through it.
#pragma once

#include "gateway/http2/nghttp2_handles.h"
#include "gateway/http2/session.h"

namespace sluice::http2 {

struct SessionCallbacks {
  // Made once for the process; read only.
  static const nghttp2_session_callbacks* of_session();

  // The nghttp2_data_source_read_callback of every body.
  static ssize_t read_body(nghttp2_session* library, StreamId id, std::uint8_t* buffer, std::size_t most,
                           std::uint32_t* flags, nghttp2_data_source* source, void* session);

 private:
  static int on_begin_frame(nghttp2_session* library, const nghttp2_frame_hd* header, void* session);
  static int on_begin_headers(nghttp2_session* library, const nghttp2_frame* frame, void* session);
  static int on_header(nghttp2_session* library, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t flags, void* session);
  static int on_frame_recv(nghttp2_session* library, const nghttp2_frame* frame, void* session);
  static int on_data_chunk_recv(nghttp2_session* library, std::uint8_t flags, StreamId id,
                                const std::uint8_t* data, std::size_t size, void* session);
  static int on_stream_close(nghttp2_session* library, StreamId id, std::uint32_t code, void* session);
  static int on_invalid_frame(nghttp2_session* library, const nghttp2_frame* frame, int error, void* session);
  static int on_extension_chunk(nghttp2_session* library, const nghttp2_frame_hd* header, const std::uint8_t* data,
                                std::size_t size, void* session);
  static int unpack_extension(nghttp2_session* library, void** payload, const nghttp2_frame_hd* header, void* session);
  static int on_frame_send(nghttp2_session* library, const nghttp2_frame* frame, void* session);
  static int on_frame_not_send(nghttp2_session* library, const nghttp2_frame* frame, int error,
                               void* session);
  static int send_data(nghttp2_session* library, nghttp2_frame* frame, const std::uint8_t* header,
                       std::size_t size, nghttp2_data_source* source, void* session);

  static bool is_trailer(const Session& session, const StreamState& state, const nghttp2_frame& frame) noexcept;
  static void head_received(Session& session, const nghttp2_frame& frame);
  static void priority_updated(Session& session, const nghttp2_frame_hd& header);
  static void settings_received(Session& session);
  static void goaway_sent(Session& session, Code code);
};

}  // namespace sluice::http2
