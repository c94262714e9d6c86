// The key tables against bad/all_keys.yaml, the file that names every key of the configuration: neither knows
// a key that the other does not, and a slip in any of them is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "config/load.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

using ::testing::HasSubstr;

const std::string kFile = std::string(SLUICE_SOURCE_DIR) + "/tests/golden/config/bad/all_keys.yaml";

std::vector<std::string> lines_of_file() {
  std::ifstream file(kFile);
  EXPECT_TRUE(file) << kFile;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<Problem> problems_of(const std::string& text) {
  std::vector<std::string> warnings;
  try {
    load_text(text, kFile, warnings);
  } catch (const ConfigError& error) {
    return error.problems();
  }
  return {};
}

// Where the key of a line `  - key: ...` ends; npos when the line has none of our own.
std::size_t end_of_key(const std::string& line) {
  const std::size_t start = line.find_first_not_of(" -");
  if (start == std::string::npos) return start;
  const std::size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", start);
  const bool is_key = end != std::string::npos && end > start && line[end] == ':' &&
                      (end + 1 == line.size() || line[end + 1] == ' ');
  return is_key ? end : std::string::npos;
}

// Rows without children have keys of the user's own below them.
void walk(const YAML::Node& node, const std::vector<KeyInfo>& rows, const std::string& path,
          std::set<std::string>& seen) {
  if (rows.empty()) return;
  if (node.IsSequence()) {
    for (const YAML::Node& element : node) walk(element, rows, path, seen);
  }
  if (!node.IsMap()) return;
  for (const auto& pair : node) {
    const std::string key = pair.first.Scalar();
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&key](const KeyInfo& candidate) { return candidate.name == key; });
    ASSERT_NE(row, rows.end()) << "the tables do not know " << path << "." << key;
    seen.insert(path + "." + key);
    walk(pair.second, row->children, path + "." + key, seen);
  }
}

void expect_all_seen(const std::vector<KeyInfo>& rows, const std::string& path,
                     const std::set<std::string>& seen) {
  for (const KeyInfo& row : rows) {
    EXPECT_TRUE(seen.count(path + "." + row.name)) << "the file does not name " << path << "." << row.name;
    expect_all_seen(row.children, path + "." + row.name, seen);
  }
}

class AllKeys : public ::testing::Test {
 protected:
  void SetUp() override { setenv("GOLDEN_TOKEN", "s3cret-t0ken", 1); }
};

TEST_F(AllKeys, TablesAndFileNameTheSameKeys) {
  std::set<std::string> seen;
  walk(YAML::LoadFile(kFile), config_table().rows(), "", seen);
  expect_all_seen(config_table().rows(), "", seen);
  EXPECT_GT(seen.size(), 200u);
}

TEST_F(AllKeys, AreReadOrRefusedAsNotSupportedYet) {
  std::string text;
  for (const std::string& line : lines_of_file()) text += line + "\n";
  const std::vector<Problem> problems = problems_of(text);
  EXPECT_GT(problems.size(), 5u);  // fewer as keys begin to work
  for (const Problem& problem : problems)
    EXPECT_EQ(problem.what, "not supported yet; remove it") << problem.text();
}

TEST_F(AllKeys, ASlipInAnyKeyIsUnknownAndTheKeySuggested) {
  const std::vector<std::string> lines = lines_of_file();
  int slips = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t end = end_of_key(lines[i]);
    if (end == std::string::npos) continue;
    const std::size_t start = lines[i].find_first_not_of(" -");
    const std::string key = lines[i].substr(start, end - start);
    std::string text;
    for (std::size_t j = 0; j < lines.size(); ++j) {
      std::string line = lines[j];
      if (j == i) line.insert(end, "x");
      text += line + "\n";
    }
    const std::vector<Problem> problems = problems_of(text);
    const auto slip = std::find_if(problems.begin(), problems.end(), [i](const Problem& problem) {
      return problem.line == static_cast<int>(i) + 1 && problem.what.rfind("unknown key; ", 0) == 0;
    });
    ASSERT_NE(slip, problems.end()) << "line " << i + 1 << ": " << lines[i];
    EXPECT_THAT(slip->key_path, ::testing::EndsWith(key + "x"));
    EXPECT_THAT(slip->what, HasSubstr(key)) << slip->text();
    ++slips;
  }
  EXPECT_GT(slips, 200);
}

}  // namespace
}  // namespace sluice::config
