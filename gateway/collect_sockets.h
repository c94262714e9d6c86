// Asks all workers for their open WebSockets, or has them close some, and answers when they have. The control thread's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/admin/admin_answer.h"
#include "gateway/admin/socket_list.h"
#include "gateway/control_io.h"
#include "gateway/worker.h"

namespace sluice {

using AdminDone = std::function<void(admin::AdminReply)>;

// `done` is called within ten seconds: a worker that is stuck is told of as such, not waited for.
void list_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, const admin::SocketRequest& request, AdminDone done);
void close_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, const admin::SocketRequest& request, AdminDone done);

// Shows all of them to `visit`, each on its worker's thread; those for which it returns true count as matched.
void visit_sockets(IoContext& context, const std::vector<std::unique_ptr<Worker>>& workers, std::function<bool(websocket::Tunnel&)> visit,
                   std::function<void(const admin::SocketList&)> done);
// The answer about one that was named and not found: it is not there, or nobody knows.
admin::AdminReply no_such_socket(const admin::SocketList& list);

}  // namespace sluice
