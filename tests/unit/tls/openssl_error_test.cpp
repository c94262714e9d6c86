#include "tls/openssl_error.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

namespace sluice::tls {
namespace {

TEST(OpensslError, GivesReasonsOldestFirstAndEmptiesTheQueue) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
  ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, "while testing");
  EXPECT_EQ(take_openssl_error_text(), "unsupported protocol; no shared cipher (while testing)");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(OpensslError, NamesSystemErrors) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_SYS, ENOENT);
  EXPECT_EQ(take_openssl_error_text(), "No such file or directory");
}

TEST(OpensslError, DropsRepetitionsAndBoundsTheText) {
  ERR_clear_error();
  for (int i = 0; i < 5; ++i) ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
  EXPECT_EQ(take_openssl_error_text(), "no shared cipher");
  for (int i = 0; i < 5; ++i) {
    ERR_raise(ERR_LIB_SSL, i % 2 ? SSL_R_NO_SHARED_CIPHER : SSL_R_UNSUPPORTED_PROTOCOL);
  }
  EXPECT_EQ(take_openssl_error_text(), "unsupported protocol; no shared cipher; unsupported protocol");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(OpensslError, SaysSomethingWithoutAnError) {
  ERR_clear_error();
  EXPECT_EQ(take_openssl_error_text(), "unknown error");
}

}  // namespace
}  // namespace sluice::tls
