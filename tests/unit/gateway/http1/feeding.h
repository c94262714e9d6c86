// Feeds the parsers in every manner that a network may choose. Bytes are moved to fresh memory before each
// step, so that a parser that keeps a pointer into them is caught by the sanitizers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/http1/body_decoder.h"
#include "gateway/http1/request_parser.h"
#include "gateway/http1/response_parser.h"
#include "tests/support/print_parse_error.h"

namespace sluice::http1 {

struct Fed {
  HeadResult::State state = HeadResult::incomplete;
  ParseError error = ParseError::none;
  std::size_t consumed = 0;
  std::size_t fed = 0;  // bytes that the parser had seen when it decided

  bool same_outcome(const Fed& other) const {
    return state == other.state && error == other.error && consumed == other.consumed;
  }
};

// `parse(prefix)`: one step of the parser. Steps of `step` bytes; 0 is everything at once.
template <typename Parse>
Fed feed(std::string_view bytes, std::size_t step, Parse parse) {
  std::size_t have = 0;
  do {
    have = step == 0 ? bytes.size() : std::min(have + step, bytes.size());
    const auto copy = std::make_unique<char[]>(have);
    bytes.copy(copy.get(), have);
    const HeadResult result = parse(std::string_view(copy.get(), have));
    if (result.state != HeadResult::incomplete || have == bytes.size()) {
      return {result.state, result.error, result.consumed, have};
    }
  } while (true);
}

inline Fed feed_request(std::string_view bytes, std::size_t step, http::RequestHead& head,
                        const HeadLimits& limits = {}) {
  RequestParser parser(limits);
  return feed(bytes, step, [&](std::string_view prefix) { return parser.parse(prefix, head); });
}

inline Fed feed_response(std::string_view bytes, std::size_t step, std::string_view method,
                         http::ResponseHead& head, const HeadLimits& limits = {}) {
  ResponseParser parser(limits);
  return feed(bytes, step, [&](std::string_view prefix) { return parser.parse(prefix, method, head); });
}

struct FedBody {
  std::string payload;
  ParseError error = ParseError::none;
  std::size_t consumed = 0;
  bool done = false;
  bool complete_at_end = false;
  std::string trailers;  // "name: value\n" each
};

inline FedBody feed_body(http::BodyFraming framing, std::string_view bytes, std::size_t step,
                         std::size_t max_trailers = kMostTrailerBytes) {
  BodyDecoder decoder(framing, max_trailers);
  FedBody fed;
  while (!decoder.done() && fed.error == ParseError::none && fed.consumed < bytes.size()) {
    std::string piece(bytes.substr(fed.consumed, step == 0 ? std::string_view::npos : step));
    const DecodeResult result = decoder.decode(piece.data(), piece.size());
    fed.payload.append(piece.data(), result.payload);
    fed.consumed += result.consumed;
    fed.error = result.error;
  }
  fed.done = decoder.done();
  fed.complete_at_end = decoder.complete_at_end();
  for (const http::Field& field : decoder.trailers()) {
    fed.trailers.append(field.name).append(": ").append(field.value).append("\n");
  }
  return fed;
}

}  // namespace sluice::http1
