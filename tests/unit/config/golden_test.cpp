// Golden pairs: good/NAME.yaml with everything it means, bad/NAME.yaml with its exact messages. To write the
// .expected files anew after a change on purpose, run with SLUICE_UPDATE_GOLDEN=1 and read the difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"
#include "config_text.h"

namespace sluice::config {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = std::string(SLUICE_SOURCE_DIR) + "/tests/golden/config/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder + folder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void without(std::string& text, const std::string& part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at))
    text.erase(at, part.size());
}

void expect_golden(const std::string& path, const std::string& actual) {
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(read(path), actual) << "golden file: " << path;
}

// One line per warning, then what the file means; or one line per problem.
std::string outcome(const std::string& folder, const std::string& name, bool& good) {
  std::vector<std::string> warnings;
  std::string text;
  try {
    const Config config = load_file(kFolder + folder + name + ".yaml", warnings);
    for (const std::string& warning : warnings) text += "warning: " + warning + "\n";
    text += config_text(config, kFolder);
    good = true;
  } catch (const ConfigError& error) {
    text = std::string(error.what()) + "\n";
    good = false;
  }
  without(text, kFolder + folder);
  return text;
}

class Golden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    setenv("GOLDEN_TOKEN", "s3cret-t0ken", 1);
    setenv("GOLDEN_PORT", "9443", 1);
    setenv("GOLDEN_TEMPLATE", "${host}", 1);
    setenv("GOLDEN_EMPTY", "", 1);
    unsetenv("GOLDEN_UNSET");
  }
};

class GoodConfig : public Golden {};
class BadConfig : public Golden {};

TEST_P(GoodConfig, MeansWhatIsExpected) {
  bool good = false;
  const std::string actual = outcome("good/", GetParam(), good);
  ASSERT_TRUE(good) << actual;
  expect_golden(kFolder + "good/" + GetParam() + ".expected", actual);
}

TEST_P(BadConfig, IsRefusedWithTheExactMessages) {
  bool good = true;
  const std::string actual = outcome("bad/", GetParam(), good);
  ASSERT_FALSE(good) << actual;
  expect_golden(kFolder + "bad/" + GetParam() + ".expected", actual);
}

INSTANTIATE_TEST_SUITE_P(Files, GoodConfig, ::testing::ValuesIn(names_in("good")),
                         [](const auto& instance) { return instance.param; });
INSTANTIATE_TEST_SUITE_P(Files, BadConfig, ::testing::ValuesIn(names_in("bad")),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace sluice::config
