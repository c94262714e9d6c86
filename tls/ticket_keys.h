// The keys that protect session tickets, shared by all contexts of a listener so that a session made on one
// worker resumes on another. Either made of randomness at start and rotated by age, the previous key still opening
// tickets, which bounds how much past traffic a stolen key reveals; or read from files that several gateways share, and
// then rotated by whoever writes those. Any thread may call: a handshake takes
// the mutex for the copy of one key, next to which its signature costs a thousand times more.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sluice::tls {

class TicketKeys {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `rotate_after` is at least the lifetime of a session (two hours), so that no ticket dies early.
  // Throws TlsLoadError when there is no randomness.
  explicit TicketKeys(std::chrono::seconds rotate_after = std::chrono::hours(12),
                      Now now = std::chrono::steady_clock::now);

  struct Key {
    Key() = default;
    Key(const Key&) = default;
    Key& operator=(const Key&) = default;
    ~Key();

    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher_key{};
    std::array<unsigned char, 32> mac_key{};
  };
  // The first seals, all open. At least one, each with a name of its own; they are never rotated.
  explicit TicketKeys(std::vector<Key> keys);
  // A file of 80 random bytes; appends to `warnings` when every user may read it. Throws TlsLoadError.
  static Key read(const std::string& path, std::vector<std::string>& warnings);

  // The work of OpenSSL's ticket callback, with its return values: sets both contexts up. When sealing,
  // fills `name` and `iv`; 1 done, -1 failed. When opening: 1 opened, 2 opened and a new ticket is due, 0
  // unknown key (a full handshake follows), -1 failed.
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);

 private:
  struct Found {
    Key key;
    bool current;
  };

  static std::optional<Key> random_key();
  static bool set_mac_key(EVP_MAC_CTX* mac, Key& key);
  void rotate_when_due();
  Key current();
  std::optional<Found> find(const unsigned char* name);

  const std::optional<std::chrono::seconds> rotate_after_;  // absent: never
  const Now now_;
  std::mutex mutex_;  // guards what follows
  std::chrono::steady_clock::time_point made_at_;
  std::vector<Key> keys_;  // the current one first
};

}  // namespace sluice::tls
