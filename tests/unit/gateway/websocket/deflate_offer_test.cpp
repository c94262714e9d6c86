// RFC 7692 5 and 7.1: which offers of permessage-deflate are taken, and what is answered.
#include "gateway/websocket/deflate_offer.h"

#include <gtest/gtest.h>

#include "gateway/websocket/handshake_extensions.h"

namespace sluice::websocket {
namespace {

// The value of the answer's field; empty: none.
std::string answer_to(std::initializer_list<std::string_view> fields) {
  http::Headers request;
  for (const std::string_view field : fields) request.add("Sec-WebSocket-Extensions", field);
  const std::optional<DeflateAgreement> chosen = choose_deflate(request);
  if (!chosen) return "";
  // What is answered must stand the check that answers of backends have to stand.
  http::Headers response;
  response.add("Sec-WebSocket-Extensions", chosen->answer());
  EXPECT_TRUE(extensions_were_offered(request, response)) << chosen->answer();
  return chosen->answer();
}

struct Case {
  std::string_view offer;
  std::string_view answer;
};

TEST(DeflateOffer, AnswersWhatWasOfferedAndNothingElse) {
  const Case cases[] = {
      {"permessage-deflate", "permessage-deflate"},
      {"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},           // 7.1.1.1
      {"permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},           // 7.1.1.2
      {"permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=12"},             // 7.1.2.1
      {"permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8"},
      {"permessage-deflate; server_max_window_bits=\"9\"", "permessage-deflate; server_max_window_bits=9"},           // 5.2 of RFC 7692: quoted
      {"permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=12"},                // 7.1.2.2
      {"permessage-deflate; client_max_window_bits=15", "permessage-deflate; client_max_window_bits=12"},
      {"permessage-deflate; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"},
      {"permessage-deflate;client_max_window_bits;server_no_context_takeover ; client_no_context_takeover; server_max_window_bits = 11",
       "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; client_max_window_bits=12"},
      {"x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"},
      // 7.1: declined, and the next one looked at.
      {"permessage-deflate; unknown", ""},
      {"permessage-deflate; unknown=1, permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
      {"permessage-deflate; server_no_context_takeover=1", ""},
      {"permessage-deflate; client_no_context_takeover=", ""},
      {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
      {"permessage-deflate; client_max_window_bits=10; client_max_window_bits=10", ""},
      {"permessage-deflate; server_max_window_bits", ""},
      {"permessage-deflate; server_max_window_bits=", ""},
      {"permessage-deflate; server_max_window_bits=7", ""},
      {"permessage-deflate; server_max_window_bits=16", ""},
      {"permessage-deflate; server_max_window_bits=08", ""},
      {"permessage-deflate; server_max_window_bits=1a", ""},
      {"permessage-deflate; client_max_window_bits=7", ""},
      {"permessage-deflate; client_max_window_bits=\"16\"", ""},
      {"permessage-deflate; ; server_no_context_takeover", ""},
      {"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9, permessage-deflate",
       "permessage-deflate; server_max_window_bits=9"},
      {"Permessage-Deflate", ""},
      {"permessage-bzip2", ""},
      {"", ""},
  };
  for (const Case& one : cases) EXPECT_EQ(answer_to({one.offer}), one.answer) << one.offer;
  EXPECT_EQ(answer_to({}), "");
}

TEST(DeflateOffer, TakesTheFirstThatFitsOverAllFields) {
  EXPECT_EQ(answer_to({"foo, permessage-deflate; x", "permessage-deflate; server_max_window_bits=10, permessage-deflate"}),
            "permessage-deflate; server_max_window_bits=10");
}

TEST(DeflateOffer, UsesASmallWindowWithoutSayingSoAndExpectsALargeOne) {
  http::Headers request;
  request.add("Sec-WebSocket-Extensions", "permessage-deflate");
  const std::optional<DeflateAgreement> chosen = choose_deflate(request);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->server_window_bits, 12);
  EXPECT_EQ(chosen->client_window_bits, 15);
}

}  // namespace
}  // namespace sluice::websocket
