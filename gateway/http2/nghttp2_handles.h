// What of nghttp2 must be given back, as owners. The one header that includes the library's; other headers
// name its types only.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <new>

namespace sluice::http2 {

struct Nghttp2Delete {
  void operator()(nghttp2_session_callbacks* callbacks) const noexcept {
    nghttp2_session_callbacks_del(callbacks);
  }
  void operator()(nghttp2_option* option) const noexcept { nghttp2_option_del(option); }
};
using CallbacksHandle = std::unique_ptr<nghttp2_session_callbacks, Nghttp2Delete>;
using OptionHandle = std::unique_ptr<nghttp2_option, Nghttp2Delete>;

inline CallbacksHandle make_callbacks() {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
  return CallbacksHandle(callbacks);
}

inline OptionHandle make_option() {
  nghttp2_option* option = nullptr;
  if (nghttp2_option_new(&option) != 0) throw std::bad_alloc();
  return OptionHandle(option);
}

}  // namespace sluice::http2
