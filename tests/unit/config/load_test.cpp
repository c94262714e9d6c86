#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kGood[] =
    "listeners: [{ name: web, address: 127.0.0.1:0 }]\n"
    "routes: [{ name: all, respond: {} }]\n";

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-config-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string message_of(const std::string& path) {
  std::vector<std::string> warnings;
  try {
    load_file(path, warnings);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(LoadFile, SaysWhatToDoWithoutAFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/sluice.yaml";
  EXPECT_THAT(message_of(path), StartsWith(path + ": cannot be read (No such file or directory); expected "));
  EXPECT_THAT(message_of(path), HasSubstr("--config"));
}

TEST(LoadFile, RefusesAFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of(folder.path()), HasSubstr("it is a folder"));
}

TEST(LoadFile, FindsFilesBesideItWhateverTheWorkingDirectory) {
  const TemporaryFolder folder;
  const std::string certificate = folder.write("c.pem", "c");
  const std::string key = folder.write("k.pem", "k");
  const std::string path = folder.write(
      "sluice.yaml",
      "listeners:\n"
      "  - { name: web, address: 127.0.0.1:0, tls: { certificates: [{ certificate: c.pem, private_key: " +
          key + " }] } }\n");
  std::vector<std::string> warnings;
  const Config config = load_file(path, warnings);
  EXPECT_EQ(config.listeners[0].tls->certificates[0].certificate, certificate);
  EXPECT_EQ(config.listeners[0].tls->certificates[0].private_key, key);
}

TEST(LoadFile, RefusesACertificateThatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.write("c.pem", "c"), std::filesystem::perms::none);
  const std::string path = folder.write("sluice.yaml",
                                        "listeners: [{ name: web, address: 127.0.0.1:0, tls: { certificates: "
                                        "[{ certificate: c.pem, private_key: c.pem }] } }]\n");
  EXPECT_THAT(message_of(path), HasSubstr("cannot be read (Permission denied)"));
}

TEST(LoadFile, ReadsWindowsLineEndsAndAByteOrderMark) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("sluice.yaml", "\xEF\xBB\xBFlisteners:\r\n  - name: web\r\n    address: 127.0.0.1:0\r\n");
  EXPECT_EQ(message_of(path), "");
}

TEST(LoadText, UsesTheNameInMessages) {
  std::vector<std::string> warnings;
  try {
    load_text("listeners: 5\n", "somewhere/x.yaml", warnings);
    FAIL();
  } catch (const ConfigError& error) {
    ASSERT_EQ(error.problems().size(), 1u);
    EXPECT_EQ(error.problems()[0].file, "somewhere/x.yaml");
    EXPECT_EQ(error.problems()[0].line, 1);
    EXPECT_EQ(error.problems()[0].key_path, "listeners");
    EXPECT_EQ(std::string(error.what()), error.problems()[0].text());
    EXPECT_THAT(error.what(), StartsWith("somewhere/x.yaml:1: listeners: is \"5\"; expected a list"));
  }
}

TEST(LoadText, AppendsWarningsAndKeepsThemWithErrors) {
  std::vector<std::string> warnings = {"earlier"};
  load_text(kGood, "x.yaml", warnings);
  EXPECT_THAT(warnings, ElementsAre("earlier"));
  EXPECT_THROW(load_text("listeners: []\n", "x.yaml", warnings), ConfigError);
  EXPECT_THAT(warnings, ElementsAre("earlier", StartsWith("x.yaml:1: routes: ")));
}

TEST(LoadText, NeverRepeatsTheAdminToken) {
  std::vector<std::string> warnings;
  try {
    load_text(std::string(kGood) + "admin: { token: \"hush hush\" }\n", "x.yaml", warnings);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("admin.token"));
    EXPECT_THAT(error.what(), Not(HasSubstr("hush")));
  }
}

TEST(LoadText, SurvivesDeepNestingAndCycles) {
  std::vector<std::string> warnings;
  EXPECT_THROW(load_text(std::string(100'000, '['), "x.yaml", warnings), ConfigError);
  EXPECT_THROW(load_text("listeners: &a [*a]\nroutes: &b { filters: *b }\n", "x.yaml", warnings),
               ConfigError);
  EXPECT_THROW(load_text(std::string("listeners: \0", 12), "x.yaml", warnings), ConfigError);
}

TEST(LoadText, KeepsAProblemOnOneLineWhateverTheFileHolds) {
  std::vector<std::string> warnings;
  try {
    load_text(std::string(kGood) + "\"a\\nb\": 1\n\"c\\0\": 1\n", "x.yaml", warnings);
    FAIL();
  } catch (const ConfigError& error) {
    ASSERT_EQ(error.problems().size(), 2u);
    EXPECT_THAT(error.problems()[0].text(), HasSubstr(": a\\x0ab: unknown key"));
    EXPECT_THAT(error.problems()[1].text(), HasSubstr(": c\\x00: unknown key"));
  }
}

TEST(Problem, LeavesOutWhatItDoesNotHave) {
  EXPECT_EQ((Problem{"f", 3, "a.b", "w"}).text(), "f:3: a.b: w");
  EXPECT_EQ((Problem{"f", 0, "", "w"}).text(), "f: w");
  EXPECT_EQ((Problem{"", 0, "--to", "w"}).text(), "--to: w");
}

}  // namespace
}  // namespace sluice::config
