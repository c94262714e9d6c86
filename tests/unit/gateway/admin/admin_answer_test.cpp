#include <gmock/gmock.h>

#include "gateway/admin/admin_answer.h"

namespace sluice::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class AdminAnswerTest : public ::testing::Test {
 protected:
  AdminAnswerTest() {
    request_.method = "GET";
    request_.authority = "127.0.0.1:9901";
    sources_.metrics = [this] {
      ++scrapes_;
      return std::string("sluice_up 1\n");
    };
    sources_.unhealthy = [this] { return problem_; };
    sources_.ready = [this] { return ready_; };
  }
  AdminReply get(std::string_view path) {
    path_ = path;
    request_.path = path_;
    return answer(request_, settings_, sources_);
  }
  unsigned status_with_host(std::string_view host) {
    request_.authority = host;
    return get("/metrics").status;
  }
  unsigned status_with_authorization(std::string_view value) {
    request_.headers.set("Authorization", value);
    return get("/metrics").status;
  }

  http::RequestHead request_;
  std::string path_;
  config::Admin settings_;
  AdminSources sources_;
  std::string problem_;
  bool ready_ = true;
  int scrapes_ = 0;
};

TEST_F(AdminAnswerTest, Metrics) {
  const AdminReply reply = get("/metrics");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_THAT(reply.content_type, StartsWith("text/plain; version=0.0.4"));
  EXPECT_EQ(reply.body, "sluice_up 1\n");
}

TEST_F(AdminAnswerTest, HealthTellsTheProblem) {
  EXPECT_EQ(get("/healthz").status, 200u);
  problem_ = "worker 1 has not answered for 7 s";
  const AdminReply reply = get("/healthz");
  EXPECT_EQ(reply.status, 503u);
  EXPECT_THAT(reply.body, HasSubstr(problem_));
}

TEST_F(AdminAnswerTest, NotReadyWhileDraining) {
  EXPECT_EQ(get("/readyz").status, 200u);
  ready_ = false;
  EXPECT_EQ(get("/readyz").status, 503u);
}

TEST_F(AdminAnswerTest, OtherPathsAreNotFound) {
  for (const char* path : {"/", "/metrics/", "/Metrics", "//metrics", "/healthz/x", "*"})
    EXPECT_EQ(get(path).status, 404u) << path;
  EXPECT_EQ(scrapes_, 0);
}

TEST_F(AdminAnswerTest, AQueryChangesNothing) {
  request_.query = "?name[]=up";
  EXPECT_EQ(get("/metrics").status, 200u);
}

TEST_F(AdminAnswerTest, OnlyGetAndHead) {
  request_.method = "HEAD";
  EXPECT_EQ(get("/metrics").status, 200u);
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"}) {
    request_.method = method;
    EXPECT_EQ(get("/metrics").status, 405u) << method;
  }
}

// A web page may bind its own name to this address and then read what it gets: its name gives it away.
TEST_F(AdminAnswerTest, OnlyAddressesAndLocalhostAreHosts) {
  for (const char* host :
       {"127.0.0.1", "127.0.0.1:9901", "[::1]:9901", "localhost", "LOCALHOST:9901", "10.1.2.3:80"}) {
    EXPECT_EQ(status_with_host(host), 200u) << host;
  }
  scrapes_ = 0;
  for (const char* host :
       {"evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example", "",
        "127.0.0.1:9901@evil.example", "0x7f000001", "127.1"}) {
    EXPECT_EQ(status_with_host(host), 403u) << host;
  }
  EXPECT_EQ(scrapes_, 0);
  request_.authority = "evil.example";
  EXPECT_EQ(get("/healthz").status, 403u);
}

TEST_F(AdminAnswerTest, OtherOriginsAreRefused) {
  request_.headers.set("Origin", "http://127.0.0.1:9901");
  EXPECT_EQ(get("/metrics").status, 200u);
  for (const char* origin :
       {"http://evil.example", "https://127.0.0.1:9901", "http://127.0.0.1", "null", ""}) {
    request_.headers.set("Origin", origin);
    EXPECT_EQ(get("/metrics").status, 403u) << origin;
  }
}

TEST_F(AdminAnswerTest, TheTokenOpensTheMetrics) {
  settings_.token = "s3cret-token";
  EXPECT_EQ(get("/metrics").status, 401u);
  EXPECT_EQ(status_with_authorization("Bearer s3cret-token"), 200u);
  EXPECT_EQ(status_with_authorization("bearer s3cret-token"), 200u);
  EXPECT_EQ(scrapes_, 2);
  for (const char* wrong : {"Bearer s3cret-tokeN", "Bearer s3cret-toke", "Bearer s3cret-token2", "Bearer ",
                            "Bearer", "Basic s3cret-token", "s3cret-token", "Bearer  s3cret-token", ""}) {
    EXPECT_EQ(status_with_authorization(wrong), 401u) << wrong;
  }
  EXPECT_EQ(scrapes_, 2);
}

TEST_F(AdminAnswerTest, WithoutATokenNothingIsToldOfOtherPaths) {
  settings_.token = "s3cret-token";
  EXPECT_EQ(get("/unknown").status, 401u);
  request_.headers.set("Authorization", "Bearer s3cret-token");
  EXPECT_EQ(get("/unknown").status, 404u);
}

// Load balancers and kubelets send no token.
TEST_F(AdminAnswerTest, HealthAndReadinessNeedNoToken) {
  settings_.token = "s3cret-token";
  EXPECT_EQ(get("/healthz").status, 200u);
  EXPECT_EQ(get("/readyz").status, 200u);
}

// No web page knows the token, so whoever has it may use any name.
TEST_F(AdminAnswerTest, WithTheTokenAnyHostNameWillDo) {
  settings_.token = "s3cret-token";
  request_.headers.set("Authorization", "Bearer s3cret-token");
  EXPECT_EQ(status_with_host("gateway.internal:9901"), 200u);
  request_.headers.set("Authorization", "Bearer wrong-token!");
  EXPECT_EQ(status_with_host("gateway.internal:9901"), 403u);
}

// No token is set: an empty one must not count as the right one.
TEST_F(AdminAnswerTest, AnEmptyTokenIsNoToken) {
  request_.headers.set("Authorization", "Bearer ");
  EXPECT_EQ(status_with_host("evil.example"), 403u);
}

TEST_F(AdminAnswerTest, StatusIsATask) {
  EXPECT_EQ(get("/status").task, Task::status);
  settings_.token = "open-sesame";
  EXPECT_EQ(get("/status").task, Task::none);
  EXPECT_EQ(get("/status").status, 401u);
}

TEST_F(AdminAnswerTest, ChangesWantAFieldThatNoPageCanSend) {
  request_.method = "POST";
  EXPECT_EQ(get("/reload").status, 403u);
  EXPECT_EQ(get("/reload").task, Task::none);
  request_.headers.set(kOwnField, "1");
  EXPECT_EQ(get("/reload").task, Task::reload);
  EXPECT_EQ(get("/drain").task, Task::drain);
  EXPECT_EQ(get("/reload/").status, 405u);
}

TEST_F(AdminAnswerTest, ChangesWantTheTokenWhereThereIsOne) {
  settings_.token = "open-sesame";
  request_.method = "POST";
  request_.headers.set(kOwnField, "1");
  EXPECT_EQ(get("/drain").status, 401u);
  EXPECT_EQ(get("/drain").task, Task::none);
  request_.headers.set("Authorization", "Bearer open-sesame");
  EXPECT_EQ(get("/drain").task, Task::drain);
}

constexpr char kId[] = "0123456789abcdef0123456789abcdef";

TEST_F(AdminAnswerTest, SocketsAreShown) {
  EXPECT_EQ(get("/sockets").task, Task::list_sockets);
  const AdminReply one = get(std::string("/sockets/") + kId);
  EXPECT_EQ(one.task, Task::list_sockets);
  EXPECT_EQ(one.sockets.filter.id->text(), kId);
  request_.query = "?route=chat";
  EXPECT_EQ(get("/sockets").sockets.filter.route, "chat");
  request_.query = "?limit=none";
  EXPECT_EQ(get("/sockets").status, 400u);
  EXPECT_EQ(get("/sockets").task, Task::none);
}

TEST_F(AdminAnswerTest, WhatIsNoIdIsNoSocket) {
  for (const char* path : {"/sockets/", "/sockets/1", "/sockets/0123456789abcdef0123456789abcdef/", "/sockets/0123456789ABCDEF0123456789abcdef"}) {
    EXPECT_EQ(get(path).status, 404u) << path;
    EXPECT_EQ(get(path).task, Task::none) << path;
  }
}

TEST_F(AdminAnswerTest, ClosingSocketsIsAChange) {
  request_.method = "DELETE";
  request_.query = "?route=chat";
  EXPECT_EQ(get("/sockets").status, 403u);
  EXPECT_EQ(get("/sockets").task, Task::none);
  request_.headers.set(kOwnField, "1");
  EXPECT_EQ(get("/sockets").task, Task::close_sockets);
  settings_.token = "open-sesame";
  EXPECT_EQ(get("/sockets").status, 401u);
  request_.headers.set("Authorization", "Bearer open-sesame");
  EXPECT_EQ(get("/sockets").task, Task::close_sockets);
  request_.query = "";
  EXPECT_EQ(get("/sockets").status, 400u) << "which?";
  EXPECT_EQ(get(std::string("/sockets/") + kId).task, Task::close_sockets);
  EXPECT_EQ(get("/status").status, 405u);
}

TEST_F(AdminAnswerTest, SocketsWantTheTokenAndKnownMethods) {
  request_.method = "POST";
  const AdminReply reply = get("/sockets");
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(reply.allow, "GET, HEAD, DELETE");
  request_.method = "GET";
  settings_.token = "open-sesame";
  EXPECT_EQ(get("/sockets").status, 401u);
}

TEST_F(AdminAnswerTest, LookingIntoOneWantsWhatAChangeWants) {
  const std::string path = std::string("/sockets/") + kId + "/tap";
  EXPECT_EQ(get(path).status, 403u);
  EXPECT_EQ(get(path).task, Task::none);
  request_.headers.set(kOwnField, "1");
  const AdminReply reply = get(path);
  EXPECT_EQ(reply.task, Task::tap_socket);
  EXPECT_EQ(reply.sockets.filter.id->text(), kId);
  EXPECT_EQ(get("/sockets/1/tap").status, 404u);
  EXPECT_EQ(get("/sockets/tap").status, 404u);
  EXPECT_EQ(get("/sockets//tap").status, 404u);
  request_.query = "?for=1h";
  EXPECT_EQ(get(path).status, 400u);
  request_.method = "HEAD";
  EXPECT_EQ(get(path).status, 405u);
  request_.method = "GET";
  settings_.token = "open-sesame";
  EXPECT_EQ(get(path).status, 401u);
}

TEST_F(AdminAnswerTest, ChangesArePosted) {
  request_.headers.set(kOwnField, "1");
  for (const char* method : {"GET", "HEAD", "PUT"}) {
    request_.method = method;
    const AdminReply reply = get("/reload");
    EXPECT_EQ(reply.status, 405u) << method;
    EXPECT_EQ(reply.allow, "POST");
    EXPECT_EQ(reply.task, Task::none);
  }
}

}  // namespace
}  // namespace sluice::admin
