#include "gateway/http/target.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(ParseTarget, TakesItApart) {
  const struct {
    std::string_view method, text;
    TargetForm form;
    std::string_view authority, path, query;
  } cases[] = {
      {"GET", "/", TargetForm::origin, "", "/", ""},
      {"GET", "/a?b?c", TargetForm::origin, "", "/a", "?b?c"},
      {"GET", "//host/a", TargetForm::origin, "", "//host/a", ""},
      {"GET", "HTTP://a.example:81?q", TargetForm::absolute, "a.example:81", "/", "?q"},
      {"OPTIONS", "*", TargetForm::asterisk, "", "*", ""},
      {"OPTIONS", "http://a.example", TargetForm::asterisk, "a.example", "*", ""},
      {"CONNECT", "a.example:443", TargetForm::absolute, "a.example:443", "a.example:443", ""},
  };
  for (const auto& c : cases) {
    const std::optional<Target> target = parse_target(c.method, c.text);
    ASSERT_TRUE(target) << c.text;
    EXPECT_EQ(target->form, c.form) << c.text;
    EXPECT_EQ(target->authority, c.authority) << c.text;
    EXPECT_EQ(target->path, c.path) << c.text;
    EXPECT_EQ(target->query, c.query) << c.text;
  }
}

TEST(ParseTarget, RefusesWhatFitsNoForm) {
  for (const std::string_view text : {"", "a", "?q", "*", "ftp://a.example/", "http://", "http://u@a.example/"}) {
    EXPECT_FALSE(parse_target("GET", text)) << text;
  }
  EXPECT_FALSE(parse_target("CONNECT", "a.example"));
  EXPECT_FALSE(parse_target("CONNECT", "/"));
}

}  // namespace
}  // namespace sluice::http
