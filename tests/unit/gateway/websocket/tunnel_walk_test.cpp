#include "gateway/websocket/tunnel_walk.h"

#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using ::testing::ElementsAre;

class TunnelWalkTest : public TunnelTest {
 protected:
  // Returns the tunnel; its far ends are kept.
  Tunnel* open_another(TunnelRules rules = {}) {
    open(rules);
    far_ends_.push_back(std::move(client_));
    far_ends_.push_back(std::move(upstream_));
    return tunnel_;
  }
  std::vector<Tunnel*> rest_of(TunnelSet::Cursor& cursor) {
    std::vector<Tunnel*> rest;
    while (Tunnel* tunnel = cursor.next()) rest.push_back(tunnel);
    return rest;
  }

  std::vector<Peer> far_ends_;
};

TEST_F(TunnelWalkTest, ACursorOfNothing) {
  TunnelSet::Cursor cursor(set_);
  EXPECT_EQ(cursor.next(), nullptr);
}

TEST_F(TunnelWalkTest, TheNewestComesFirst) {
  Tunnel* const oldest = open_another();
  Tunnel* const middle = open_another();
  Tunnel* const newest = open_another();
  TunnelSet::Cursor cursor(set_);
  EXPECT_THAT(rest_of(cursor), ElementsAre(newest, middle, oldest));
}

TEST_F(TunnelWalkTest, TheNextOneMayEnd) {
  Tunnel* const oldest = open_another();
  Tunnel* const middle = open_another();
  Tunnel* const newest = open_another();
  TunnelSet::Cursor cursor(set_);
  TunnelSet::Cursor another(set_);
  EXPECT_EQ(cursor.next(), newest);
  middle->cut();
  newest->cut();
  harness_.settle();
  EXPECT_THAT(rest_of(cursor), ElementsAre(oldest));
  EXPECT_THAT(rest_of(another), ElementsAre(oldest));
}

TEST_F(TunnelWalkTest, AllMayEnd) {
  open_another();
  open_another();
  TunnelSet::Cursor cursor(set_);
  cursor.next();
  set_.cut_all();
  harness_.settle();
  EXPECT_EQ(cursor.next(), nullptr);
}

TEST_F(TunnelWalkTest, ThoseThatAreAddedAreNotSeen) {
  Tunnel* const oldest = open_another();
  Tunnel* const newest = open_another();
  TunnelSet::Cursor cursor(set_);
  EXPECT_EQ(cursor.next(), newest);
  open_another();
  EXPECT_THAT(rest_of(cursor), ElementsAre(oldest));
}

TEST_F(TunnelWalkTest, CursorsMayGoInAnyOrder) {
  Tunnel* const only = open_another();
  auto first = std::make_unique<TunnelSet::Cursor>(set_);
  auto second = std::make_unique<TunnelSet::Cursor>(set_);
  TunnelSet::Cursor third(set_);
  first.reset();
  EXPECT_EQ(second->next(), only);
  second.reset();
  EXPECT_EQ(third.next(), only);
}

TEST_F(TunnelWalkTest, AWalkTakesTurns) {
  std::vector<Tunnel*> opened;
  for (int i = 0; i < 5; ++i) opened.push_back(open_another());
  int visited = 0;
  bool done = false;
  harness_.loop.spawn(walk_tunnels(harness_.loop, set_, 2, [&visited](Tunnel&) { ++visited; }, [&done] { done = true; }));
  EXPECT_EQ(visited, 2);
  EXPECT_FALSE(done);
  EXPECT_TRUE(harness_.run_until([&done] { return done; }));
  EXPECT_EQ(visited, 5);
}

TEST_F(TunnelWalkTest, WhoIsVisitedMayEnd) {
  for (int i = 0; i < 5; ++i) open_another();
  int cut = 0;
  bool done = false;
  const auto cut_it = [&cut](Tunnel& tunnel) {
    tunnel.cut();
    ++cut;
  };
  harness_.loop.spawn(walk_tunnels(harness_.loop, set_, 2, cut_it, [&done] { done = true; }));
  EXPECT_TRUE(harness_.run_until([&done] { return done; }));
  EXPECT_EQ(cut, 5);
  EXPECT_TRUE(set_.empty());
}

TEST_F(TunnelTest, TellsWhatItIs) {
  open();
  const Clock::time_point begun = Clock::now();
  client_.send(from_client(Opcode::text, "one") + from_client(Opcode::text, "two"));
  receive(upstream_, 18);
  upstream_.send(from_upstream(Opcode::ping, ""));
  receive(client_, 2);
  const SocketFacts facts = tunnel_->facts(begun + 1h);
  EXPECT_EQ(facts.to_upstream.messages, 2u);
  EXPECT_EQ(facts.to_upstream.bytes, 18u);
  EXPECT_EQ(facts.to_client.messages, 0u);
  EXPECT_EQ(facts.to_client.bytes, 2u);
  EXPECT_GT(tunnel_->facts(Clock::now()).to_upstream.per_second, 0.3);
  EXPECT_EQ(facts.to_upstream.per_second, 0) << "an hour later";
  EXPECT_GE(facts.age, facts.idle);
  EXPECT_GE(facts.idle, 59min);
  EXPECT_FALSE(facts.closing);
}

std::shared_ptr<const Dismissal> policy() { return std::make_shared<Dismissal>(Dismissal{1008, "spam"}); }

TEST_F(TunnelTest, IsDismissedAtOnce) {
  open();
  EXPECT_TRUE(tunnel_->dismiss(policy(), 0ms));
  EXPECT_TRUE(tunnel_->facts(Clock::now()).closing);
  EXPECT_FALSE(tunnel_->dismiss(policy(), 0ms)) << "it is closing";
  const std::optional<CloseFrame> told = read_close(receive(client_, 8));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->code, 1008u);
  EXPECT_EQ(told->reason, "spam");
  const std::optional<CloseFrame> told_upstream = read_close(receive(upstream_, 12));
  ASSERT_TRUE(told_upstream);
  EXPECT_EQ(told_upstream->code, 1008u);
  EXPECT_TRUE(told_upstream->masked);
}

TEST_F(TunnelTest, IsDismissedWithinATime) {
  open();
  const Clock::time_point begun = Clock::now();
  EXPECT_TRUE(tunnel_->dismiss(policy(), 200ms));
  const std::optional<CloseFrame> told = read_close(receive(client_, 8));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->code, 1008u);
  EXPECT_LT(Clock::now() - begun, 10s);
}

TEST_F(TunnelTest, WhoWasAboutToLeaveIsNotKeptByADismissal) {
  TunnelRules rules;
  rules.leave_within = 2s;  // of all moments one in 2,000 is at once, and then there is nobody to dismiss
  open(rules);
  tunnel_->leave();
  EXPECT_TRUE(tunnel_->dismiss(policy(), 1h));
  const std::optional<CloseFrame> told = read_close(receive(client_, 8));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->code, 1008u);
}

TEST_F(TunnelTest, WhoWasToMoveAndIsDismissedDoesNotStay) {
  open();
  EXPECT_TRUE(tunnel_->move(1h));
  EXPECT_TRUE(tunnel_->dismiss(policy(), 50ms));
  EXPECT_FALSE(tunnel_->stay());
  EXPECT_EQ(read_close(receive(client_, 8)).value_or(CloseFrame{}).code, 1008u);
}

}  // namespace
}  // namespace sluice::websocket
