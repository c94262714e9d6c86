#include "tls/ticket_keys.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "tests/support/test_certificates.h"
#include "tests/unit/tls/handshake_pair.h"
#include "tls/load_error.h"
#include "tls/server_context.h"

namespace sluice::tls {
namespace {

using std::chrono::hours;
using test::HandshakePair;
using test::SessionPtr;
using test::TestClient;
using ::testing::HasSubstr;

class TicketKeysTest : public ::testing::TestWithParam<int> {
 protected:
  TicketKeysTest() {
    SSL_CTX_set_max_proto_version(client_.context(), GetParam());
    store_ = make_store("a.example");
  }
  std::shared_ptr<const CertificateStore> make_store(const std::string& name) {
    test::CertificateSpec spec;
    spec.alternative_names = {"DNS:" + name};
    config::ListenerTls tls;
    tls.certificates.push_back(folder_.write_pair(name, test::issue(spec)));
    return CertificateStore::load(tls, warnings_);
  }
  ServerContext worker() { return ServerContext({}, {"http/1.1"}, store_, keys_); }

  struct Connection {
    bool resumed;
    SessionPtr session;  // what to resume with the next time

    std::string ticket() const {
      const unsigned char* bytes = nullptr;
      std::size_t size = 0;
      SSL_SESSION_get0_ticket(session.get(), &bytes, &size);
      return std::string(reinterpret_cast<const char*>(bytes), size);
    }
  };
  Connection connect(const ServerContext& server, const Connection* resume = nullptr) {
    HandshakePair pair(client_.new_session({}, resume ? resume->session.get() : nullptr),
                       server.new_session());
    EXPECT_TRUE(pair.run()) << pair.server_error() << " / " << pair.client_error();
    EXPECT_EQ(pair.echo_to_server("x"), "x");
    return {SSL_session_reused(pair.server()) == 1, pair.client_session()};
  }

  test::TemporaryFolder folder_;
  std::vector<std::string> warnings_;
  std::shared_ptr<const CertificateStore> store_;
  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
  std::shared_ptr<TicketKeys> keys_ = std::make_shared<TicketKeys>(hours(12), [this] { return now_; });
  TestClient client_;
};

TEST_P(TicketKeysTest, ASessionResumesOnAnotherWorker) {
  const ServerContext first = worker();
  const ServerContext second = worker();
  const Connection full = connect(first);
  ASSERT_FALSE(full.resumed);
  EXPECT_TRUE(connect(second, &full).resumed);
}

TEST_P(TicketKeysTest, TheTicketsOfForeignKeysAreIgnored) {
  const Connection full = connect(worker());
  keys_ = std::make_shared<TicketKeys>();
  EXPECT_FALSE(connect(worker(), &full).resumed);
}

TEST_P(TicketKeysTest, AnotherSetOfCertificatesDoesNotResume) {
  const Connection full = connect(worker());
  store_ = make_store("b.example");
  EXPECT_FALSE(connect(worker(), &full).resumed);
}

// OpenSSL's own clock stands still in these: only the keys age.
TEST_P(TicketKeysTest, ThePreviousKeyStillOpensAndRenews) {
  const ServerContext server = worker();
  const Connection full = connect(server);
  now_ += hours(13);
  const Connection renewed = connect(server, &full);
  EXPECT_TRUE(renewed.resumed);
  EXPECT_NE(renewed.ticket(), full.ticket());
  now_ += hours(12);  // the first key is gone now, the second is the previous one
  EXPECT_TRUE(connect(server, &renewed).resumed);
  EXPECT_FALSE(connect(server, &full).resumed);
}

TEST_P(TicketKeysTest, AfterTwoIdlePeriodsNothingOldOpens) {
  const ServerContext server = worker();
  const Connection full = connect(server);
  now_ += hours(24);
  EXPECT_FALSE(connect(server, &full).resumed);
}

TEST_P(TicketKeysTest, AResumptionHandsOutTheNextTicketUnderTls13) {
  const ServerContext server = worker();
  const Connection full = connect(server);
  const Connection resumed = connect(server, &full);
  ASSERT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.ticket() != full.ticket(), GetParam() == TLS1_3_VERSION);
}

TicketKeys::Key key_of(unsigned char first) {
  TicketKeys::Key key;
  key.name.fill(first);
  key.cipher_key.fill(static_cast<unsigned char>(first + 1));
  key.mac_key.fill(static_cast<unsigned char>(first + 2));
  return key;
}

std::shared_ptr<TicketKeys> fixed(std::vector<TicketKeys::Key> keys) { return std::make_shared<TicketKeys>(std::move(keys)); }

TEST_P(TicketKeysTest, GatewaysWithTheSameKeysResumeEachOthersSessions) {
  keys_ = fixed({key_of(1)});
  const Connection full = connect(worker());
  keys_ = fixed({key_of(1)});
  EXPECT_TRUE(connect(worker(), &full).resumed);
}

TEST_P(TicketKeysTest, TheFirstKeySealsAndAllOpen) {
  keys_ = fixed({key_of(1)});
  const Connection full = connect(worker());
  keys_ = fixed({key_of(10), key_of(20), key_of(1)});
  const Connection renewed = connect(worker(), &full);
  EXPECT_TRUE(renewed.resumed);
  EXPECT_NE(renewed.ticket(), full.ticket());
  keys_ = fixed({key_of(10)});  // the old key is gone: what was renewed is sealed with the first
  EXPECT_TRUE(connect(worker(), &renewed).resumed);
  EXPECT_FALSE(connect(worker(), &full).resumed);
}

TEST_P(TicketKeysTest, TheNameAloneOpensNothing) {
  keys_ = fixed({key_of(1)});
  const Connection full = connect(worker());
  for (const bool cipher : {true, false}) {
    TicketKeys::Key key = key_of(1);
    (cipher ? key.cipher_key : key.mac_key).fill(99);
    keys_ = fixed({key});
    HandshakePair pair(client_.new_session({}, full.session.get()), worker().new_session());
    EXPECT_FALSE(pair.run() && SSL_session_reused(pair.server()));
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketKeysTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_3_VERSION ? "Tls13" : "Tls12";
                         });

TEST(TicketKeysThreads, WorkersSealAndOpenWhileKeysRotate) {
  std::atomic<int> ticks{0};
  const auto start = std::chrono::steady_clock::now();
  // Each look at the clock is an hour later, so keys rotate all the time.
  TicketKeys keys(hours(12), [&] { return start + hours(ticks.fetch_add(1)); });
  std::atomic<int> failures{0};
  std::atomic<int> opened{0};
  const auto work = [&] {
    const std::unique_ptr<EVP_MAC, OpensslFree<EVP_MAC_free>> algorithm(
        EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    const std::unique_ptr<EVP_MAC_CTX, OpensslFree<EVP_MAC_CTX_free>> mac(EVP_MAC_CTX_new(algorithm.get()));
    const std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>> cipher(EVP_CIPHER_CTX_new());
    unsigned char name[16];
    unsigned char iv[EVP_MAX_IV_LENGTH];
    for (int i = 0; i < 500; ++i) {
      if (keys.seal(name, iv, cipher.get(), mac.get()) != 1) ++failures;
      const int result = keys.open(name, iv, cipher.get(), mac.get());
      if (result < 0) ++failures;
      if (result > 0) ++opened;  // 0: the other thread rotated the key away
    }
  };
  std::thread first(work);
  std::thread second(work);
  first.join();
  second.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(opened, 0);
}

class TicketKeyFile : public ::testing::Test {
 protected:
  std::string write(const std::string& content, int mode = 0600) {
    const std::string path = folder_.write("tickets.key", content);
    EXPECT_EQ(::chmod(path.c_str(), static_cast<mode_t>(mode)), 0);
    return path;
  }
  std::string error_of(const std::string& path) {
    try {
      TicketKeys::read(path, warnings_);
    } catch (const TlsLoadError& error) {
      return error.what();
    }
    return {};
  }
  test::TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(TicketKeyFile, IsNameCipherKeyAndMacKey) {
  const std::string path = write(std::string(16, 'n') + std::string(32, 'c') + std::string(32, 'm'), 0640);
  const TicketKeys::Key key = TicketKeys::read(path, warnings_);
  EXPECT_EQ(std::string(key.name.begin(), key.name.end()), std::string(16, 'n'));
  EXPECT_EQ(std::string(key.cipher_key.begin(), key.cipher_key.end()), std::string(32, 'c'));
  EXPECT_EQ(std::string(key.mac_key.begin(), key.mac_key.end()), std::string(32, 'm'));
}

TEST_F(TicketKeyFile, HasExactly80Bytes) {
  EXPECT_THAT(error_of(write("")), HasSubstr("tickets.key holds 0 bytes; expected 80 random ones"));
  EXPECT_THAT(error_of(write(std::string(48, 'k'))), HasSubstr("holds 48 bytes"));
  EXPECT_THAT(error_of(write(std::string(79, 'k'))), HasSubstr("holds 79 bytes"));
  EXPECT_THAT(error_of(write(std::string(81, 'k'))), HasSubstr("holds more than 80 bytes"));
}

TEST_F(TicketKeyFile, IsWarnedOfWhenItIsForEveryUser) {
  for (const int mode : {0604, 0602, 0644}) {
    warnings_.clear();
    EXPECT_EQ(error_of(write(std::string(80, 'k'), mode)), "");
    EXPECT_THAT(warnings_, ::testing::ElementsAre(HasSubstr("tickets.key is open to every user"))) << mode;
  }
  warnings_.clear();
  EXPECT_EQ(error_of(write(std::string(80, 'k'), 0640)), "");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(TicketKeyFile, MustBeThere) {
  EXPECT_THAT(error_of(folder_.path("nowhere.key")), HasSubstr("nowhere.key: No such file or directory"));
}

}  // namespace
}  // namespace sluice::tls
