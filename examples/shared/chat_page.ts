/** The page that `ws-chat-server.ts` serves. What others say is shown as text, never as markup. */
export const chatPage: string = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
  body { display: flex; flex-direction: column; height: 100vh; margin: 0; font: 16px/1.5 system-ui, sans-serif; }
  #lines { flex: 1; overflow-y: auto; margin: 0; padding: 1em; white-space: pre-wrap; }
  form { display: flex; border-top: 1px solid #ccc; }
  input { flex: 1; border: 0; padding: 1em; font: inherit; }
  button { border: 0; padding: 0 1.5em; font: inherit; }
</style>
</head>
<body>
<p id="lines" aria-live="polite"></p>
<form><input autocomplete="off" autofocus maxlength="1000" aria-label="what to say"><button>Say</button></form>
<script>
  const lines = document.querySelector("#lines");
  const show = (text) => {
    lines.append(text + "\\n");
    lines.scrollTop = lines.scrollHeight;
  };
  const socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/#.*/, "") + "ws");
  socket.onmessage = ({ data }) => show(data);
  socket.onclose = ({ code, reason }) => show("* the connection has ended: " + (reason || code));
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    const input = document.querySelector("input");
    socket.send(input.value);
    input.value = "";
  };
</script>
</body>
</html>
`;
