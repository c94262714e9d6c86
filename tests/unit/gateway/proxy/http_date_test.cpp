#include "gateway/proxy/http_date.h"

#include <gmock/gmock.h>

#include <ctime>
#include <regex>
#include <string>

namespace sluice::proxy {
namespace {

// ------------------------------------------------------------------------------------------------------

TEST(HttpDateTest, IsNowInImfFixdate) {
  const std::time_t before = std::time(nullptr);
  const std::string date(http_date());
  const std::time_t after = std::time(nullptr);
  EXPECT_TRUE(std::regex_match(date, std::regex("(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z]{2} "
                                                "[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT")))
      << date;
  std::tm parsed{};
  ASSERT_NE(::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), nullptr);
  const int week_day = parsed.tm_wday;
  const std::time_t told = ::timegm(&parsed);
  EXPECT_GE(told, before);
  EXPECT_LE(told, after);
  EXPECT_EQ(parsed.tm_wday, week_day);
}

}  // namespace
}  // namespace sluice::proxy
