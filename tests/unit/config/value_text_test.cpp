#include "config/value_text.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseDuration, TakesUnitsFromLargeToSmall) {
  EXPECT_EQ(parse_duration("500ms"), Duration(500));
  EXPECT_EQ(parse_duration("5s"), Duration(seconds(5)));
  EXPECT_EQ(parse_duration("1m30s"), Duration(seconds(90)));
  EXPECT_EQ(parse_duration("1h"), Duration(hours(1)));
  EXPECT_EQ(parse_duration("1h1ms"), Duration(hours(1)) + Duration(1));
  EXPECT_EQ(parse_duration("0s"), Duration(0));
  EXPECT_EQ(parse_duration("90m"), Duration(minutes(90)));
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "5", "s", "5 s", " 5s", "5s ", "5S", "1.5s", "-1s", "+1s", "30s1m", "1s1s",
                           "1d", "off", "8761h", "8760h1ms", "18446744073709551616ms", "0x5s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(ParsePercent, TakesWholeNumbersFromOneToHundred) {
  EXPECT_EQ(parse_percent("1%"), 1u);
  EXPECT_EQ(parse_percent("100%"), 100u);
  for (const char* text : {"", "%", "50", "0%", "101%", "50 %", " 50%", "50%%", "1.5%", "-1%", "off"}) {
    EXPECT_EQ(parse_percent(text), std::nullopt) << text;
  }
}

TEST(ParseRate, TakesSoManyInASecondMinuteOrHour) {
  EXPECT_EQ(parse_rate("10/s"), (Rate{10, seconds(1)}));
  EXPECT_EQ(parse_rate("600/m"), (Rate{600, minutes(1)}));
  EXPECT_EQ(parse_rate("1/h"), (Rate{1, hours(1)}));
  for (const char* text : {"", "10", "/s", "0/s", "10/", "10/ms", "10/d", "10 /s", "10/ s", " 10/s", "10/s ", "10/S", "10/1s", "1.5/s", "-1/s",
                           "10/m/s", "off", "18446744073709551616/s"}) {
    EXPECT_EQ(parse_rate(text), std::nullopt) << text;
  }
}

TEST(ParseSize, TakesBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_size("123"), 123u);
  EXPECT_EQ(parse_size("123B"), 123u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("1MiB"), 1048576u);
  EXPECT_EQ(parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(parse_size("2GiB"), 2ull << 30);
  EXPECT_EQ(parse_size("1TB"), 1'000'000'000'000u);
  EXPECT_EQ(parse_size("16777215TiB"), 16777215ull << 40);
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* text :
       {"", "KiB", "1 KiB", "1kib", "1.5MiB", "-1", "1e3", "off", "16777216TiB", "1KiBs"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(ParseWholeNumber, RefusesSignsBlanksAndOverflow) {
  EXPECT_EQ(parse_whole_number("0"), 0u);
  EXPECT_EQ(parse_whole_number("18446744073709551615"), ~0ull);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(parse_whole_number(text), std::nullopt) << text;
  }
}

TEST(Texts, AreReadBackAsTheSame) {
  for (const int ms : {0, 1, 999, 1000, 90'000, 3'723'004}) {
    EXPECT_EQ(parse_duration(duration_text(Duration(ms))), Duration(ms));
  }
  for (const std::uint64_t bytes : {0ull, 1ull, 1024ull, 65536ull, 1000ull, 1ull << 40, 10'000'000ull}) {
    EXPECT_EQ(parse_size(size_text(bytes)), bytes);
  }
  for (const char* text : {"10/s", "600/m", "1/h"}) EXPECT_EQ(rate_text(*parse_rate(text)), text);
  EXPECT_EQ(duration_text(seconds(90)), "1m30s");
  EXPECT_EQ(size_text(16 << 20), "16MiB");
}

}  // namespace
}  // namespace sluice::config
