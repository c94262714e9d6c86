#include "gateway/proxy/acme_challenge.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/fake_exchange.h"

namespace sluice::proxy {
namespace {

namespace fs = std::filesystem;

class AcmeChallengeTest : public ::testing::Test {
 protected:
  AcmeChallengeTest() {
    std::string pattern = (fs::temp_directory_path() / "sluice-acme-XXXXXX").string();
    root = ::mkdtemp(pattern.data());
    directory = root / "acme";
    fs::create_directories(directory / ".well-known/acme-challenge");
    write(root / "secret", "secret");
    write(directory / "token_A-1", "token_A-1.print");
  }
  ~AcmeChallengeTest() override { fs::remove_all(root); }

  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  std::optional<std::string> read(std::string_view token) { return read_challenge(directory, token, problem); }

  fs::path root, directory;
  std::string problem;
};

TEST_F(AcmeChallengeTest, ReadsAFileOfTheFolderOrOfTheWebrootInIt) {
  EXPECT_EQ(read("token_A-1"), "token_A-1.print");
  write(directory / ".well-known/acme-challenge/other", "other.print");
  EXPECT_EQ(read("other"), "other.print");
  EXPECT_EQ(read("none"), std::nullopt);
  EXPECT_EQ(problem, "");
}

TEST_F(AcmeChallengeTest, OnlyTokensNameFiles) {
  write(directory / "a.b", "x");
  write(directory / std::string(129, 'a'), "x");
  for (const std::string& token : {std::string(), std::string("."), std::string(".."), std::string("../secret"), std::string("a.b"),
                                   std::string("a/b"), std::string("a%2Fb"), std::string("a\0b", 3), std::string(129, 'a')}) {
    EXPECT_EQ(read(token), std::nullopt) << token;
    EXPECT_EQ(problem, "");
  }
  write(directory / std::string(128, 'a'), "x");
  EXPECT_EQ(read(std::string(128, 'a')), "x");
}

TEST_F(AcmeChallengeTest, NoLinkLeadsOutOfTheFolder) {
  fs::create_symlink(root / "secret", directory / "link");
  EXPECT_EQ(read("link"), std::nullopt);
  EXPECT_NE(problem.find("link cannot be served"), std::string::npos) << problem;
  write(root / "outside", "secret");
  fs::remove_all(directory / ".well-known");
  fs::create_directories(root / "elsewhere/acme-challenge");
  write(root / "elsewhere/acme-challenge/outside", "secret");
  fs::create_directory_symlink(root / "elsewhere", directory / ".well-known");
  EXPECT_EQ(read("outside"), std::nullopt);
  fs::remove(directory / ".well-known");
  fs::create_directory(directory / ".well-known");
  fs::create_directory_symlink(root / "elsewhere/acme-challenge", directory / ".well-known/acme-challenge");
  EXPECT_EQ(read("outside"), std::nullopt);
  // The folder itself may be one: it is the operator's word.
  fs::create_directory_symlink(directory, root / "named");
  EXPECT_EQ(read_challenge(root / "named", "token_A-1", problem), "token_A-1.print");
}

TEST_F(AcmeChallengeTest, OnlySmallRegularFilesAreServed) {
  write(directory / "most", std::string(4096, 'x'));
  write(directory / "more", std::string(4097, 'x'));
  fs::create_directory(directory / "folder");
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read("most"), std::string(4096, 'x'));
  for (const char* token : {"more", "folder", "pipe"}) {
    problem.clear();
    EXPECT_EQ(read(token), std::nullopt) << token;
    EXPECT_NE(problem, "") << token;
  }
}

TEST_F(AcmeChallengeTest, AFolderThatIsNotThereHasNone) {
  EXPECT_EQ(read_challenge(root / "nowhere", "token", problem), std::nullopt);
  EXPECT_EQ(problem, "");
}

TEST_F(AcmeChallengeTest, IsAnswered) {
  test::FakeExchange exchange;
  exchange.listener.acme_challenge_directory = directory;
  answer_acme_challenge(exchange, "/.well-known/acme-challenge/token_A-1");
  EXPECT_EQ(exchange.status, 200u);
  EXPECT_EQ(exchange.body, "token_A-1.print");
  EXPECT_EQ(exchange.field("Content-Type"), "text/plain");
}

TEST(IsAcmeChallengeTest, GetAndHeadBelowThePathWhereThereIsAFolder) {
  test::FakeExchange exchange;
  constexpr std::string_view kPath = "/.well-known/acme-challenge/token";
  EXPECT_FALSE(is_acme_challenge(exchange, kPath));
  exchange.listener.acme_challenge_directory = "/somewhere";
  EXPECT_TRUE(is_acme_challenge(exchange, kPath));
  exchange.head.method = "HEAD";
  EXPECT_TRUE(is_acme_challenge(exchange, "/.well-known/acme-challenge/"));
  EXPECT_FALSE(is_acme_challenge(exchange, "/.well-known/acme-challenge"));
  EXPECT_FALSE(is_acme_challenge(exchange, "/.well-known/acme-challenges/token"));
  EXPECT_FALSE(is_acme_challenge(exchange, "/a/.well-known/acme-challenge/token"));
  exchange.head.method = "POST";
  EXPECT_FALSE(is_acme_challenge(exchange, kPath));
}

}  // namespace
}  // namespace sluice::proxy
