#include "gateway/websocket/handshake_origin.h"

#include <gtest/gtest.h>

#include "config/origin.h"

namespace sluice::websocket {
namespace {

std::vector<config::AllowedOrigin> list(std::initializer_list<const char*> texts) {
  std::vector<config::AllowedOrigin> origins;
  for (const char* text : texts) {
    const config::Fault fault = config::parse_allowed_origin(text, origins.emplace_back());
    EXPECT_FALSE(fault) << *fault;
  }
  return origins;
}

bool allowed(std::initializer_list<const char*> texts, std::initializer_list<const char*> fields,
             const char* scheme = "https", const char* host = "gateway.example") {
  http::Headers headers;
  for (const char* field : fields) headers.add("Origin", field);
  http::Origin request;
  request.scheme = scheme;
  request.host = host;
  return origin_allowed(list(texts), headers, request);
}

TEST(OriginAllowed, AnyWithoutAList) {
  EXPECT_TRUE(allowed({}, {"https://evil.example"}));
  EXPECT_TRUE(allowed({}, {"null"}));
}

TEST(OriginAllowed, WhoSendsNoneIsNoBrowser) { EXPECT_TRUE(allowed({"https://a.example"}, {})); }

TEST(OriginAllowed, ExactOnes) {
  const std::pair<const char*, bool> expected[] = {
      {"https://a.example", true},     {"https://A.Example", true},         {"HTTPS://a.example", true},
      {"https://a.example:443", true}, {"https://a.example:8443", false},   {"http://a.example", false},
      {"https://b.a.example", false},  {"https://xa.example", false},       {"https://a.example.evil.example", false},
      {"https://a.example.", false},   {"https://a.exampl", false},         {"wss://a.example", false},
      {"http://b.example:3000", true}, {"http://b.example", false},         {"https://b.example:3000", false},
      {"capacitor://localhost", true}, {"capacitor://localhost:80", false}, {"http://[2001:db8::1]:80", true},
      {"http://[2001:DB8::1]", true},  {"http://[2001:db8::2]", false},
  };
  for (const auto& [origin, result] : expected) {
    EXPECT_EQ(allowed({"https://a.example", "http://b.example:3000", "capacitor://localhost", "http://[2001:db8::1]"},
                      {origin}),
              result)
        << origin;
  }
}

TEST(OriginAllowed, MalformedOnesAreNobodys) {
  for (const char* origin : {"",
                             "null",
                             "https://",
                             "a.example",
                             "https://a.example/",
                             "https://a.example/x",
                             "https://a.example?",
                             "https://@a.example",
                             "https://u@a.example",
                             "https://a.example:",
                             "https://a.example:0",
                             "https:a.example",
                             "https://a.example https://a.example",
                             "https://a.example, https://a.example",
                             "https://a..example",
                             "://a.example",
                             "https://https://a.example",
                             "https://a.example:443:443",
                             "https://[a.example]",
                             "https://*.example"}) {
    EXPECT_FALSE(allowed({"https://a.example", "https://*.example", "same"}, {origin}, "https", "a.example")) << origin;
  }
}

TEST(OriginAllowed, SeveralFieldsAreNobodys) {
  EXPECT_FALSE(allowed({"https://a.example"}, {"https://a.example", "https://a.example"}));
  EXPECT_FALSE(allowed({"https://a.example"}, {"https://a.example", "https://evil.example"}));
  EXPECT_FALSE(allowed({"https://a.example"}, {"https://evil.example", "https://a.example"}));
}

TEST(OriginAllowed, WildcardsCoverLabelsAndNeverTheBareDomain) {
  const std::pair<const char*, bool> expected[] = {
      {"https://a.example.com", true},
      {"https://a.b.example.com", true},
      {"https://A.EXAMPLE.COM", true},
      {"https://example.com", false},
      {"https://.example.com", false},
      {"https://aexample.com", false},
      {"https://a.example.com:8443", false},
      {"http://a.example.com", false},
      {"https://a.example.com.evil.example", false},
  };
  for (const auto& [origin, result] : expected)
    EXPECT_EQ(allowed({"https://*.example.com"}, {origin}), result) << origin;
  EXPECT_TRUE(allowed({"https://*.example.com:8443"}, {"https://a.example.com:8443"}));
}

TEST(OriginAllowed, SameIsWhatTheRequestIsFor) {
  EXPECT_TRUE(allowed({"same"}, {"https://app.example"}, "https", "app.example"));
  EXPECT_TRUE(allowed({"same"}, {"https://app.example"}, "https", "APP.example:443"));
  EXPECT_TRUE(allowed({"same"}, {"http://app.example:8080"}, "http", "app.example:8080"));
  EXPECT_TRUE(allowed({"same"}, {"http://[::1]:8080"}, "http", "[::1]:8080"));
  EXPECT_FALSE(allowed({"same"}, {"http://app.example"}, "https", "app.example"));
  EXPECT_FALSE(allowed({"same"}, {"https://app.example"}, "https", "app.example:8443"));
  EXPECT_FALSE(allowed({"same"}, {"https://evil.example"}, "https", "app.example"));
  EXPECT_FALSE(allowed({"same"}, {"https://app.example"}, "https", "")) << "HTTP/1.0 may come without Host";
}

}  // namespace
}  // namespace sluice::websocket
