"""What the end-to-end tests share: the gateway as a process, scripted peers, real peers."""
