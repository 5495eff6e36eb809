/** A Worker whose loop sleeps beside the host: what it is told are descriptors, which it watches for reading. */
import { EventBase } from "../../src/core/event_base.ts";
import { EV_PERSIST, EV_READ } from "../../src/core/constants.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<readonly number[]>) => void;
  postMessage(message: string): void;
};
scope.onmessage = ({ data: fds }) => {
  // poll has no descriptor of its own to sleep on, so that the sleeper gets the whole list.
  const base = new EventBase({ avoid: ["epoll", "kqueue", "select"], ignoreEnvironment: true });
  for (const fd of fds) base.event(fd, EV_READ | EV_PERSIST, () => {}).add();
  void base.run();
};
scope.postMessage("ready");
