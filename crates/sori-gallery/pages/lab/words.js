// The page in two languages, each sentence beside its translation.

export const isKorean = document.documentElement.lang === "ko";

/** The text in the page's language. */
export function t(korean, english) {
  return isKorean ? korean : english;
}

/** Each lane's name, and what it does in a sentence. */
export const LANE_WORDS = {
  "short-polling": {
    title: t("짧은 폴링", "Short polling"),
    about: t("1초마다 묻고, 거의 빈손으로 돌아옵니다.", "Asks once a second, and mostly hears that there is nothing."),
  },
  "long-polling": {
    title: t("롱 폴링", "Long polling"),
    about: t("물어 두면, 할 말이 생겼을 때 서버가 대답합니다.", "Asks, and the server answers once it has something to say."),
  },
  jsonp: {
    title: "JSONP",
    about: t("스크립트 요소로 하는 롱 폴링.", "Long polling by script elements."),
  },
  iframe: {
    title: t("끝나지 않는 프레임", "Forever frame"),
    about: t("로딩이 끝나지 않는 숨은 페이지. 이벤트마다 스크립트 하나.", "A hidden page that never ends loading; a script for each event."),
  },
  multipart: {
    title: t("멀티파트 스트림", "Multipart stream"),
    about: t("부분이 끝없이 이어지는 응답. 1995년의 서버 푸시.", "One answer in endless parts: the server push of 1995."),
  },
  lines: {
    title: t("fetch 스트림", "Fetch stream"),
    about: t("끝나지 않는 응답 하나, 이벤트마다 한 줄.", "One answer that does not end, a line for each event."),
  },
  sse: {
    title: "Server-Sent Events",
    about: t("브라우저의 스트림. 스스로 돌아와 마지막 id를 말합니다.", "The browser’s own stream: returns by itself, with the last id it saw."),
  },
  "raw-websocket": {
    title: "WebSocket",
    about: t("양방향 연결 하나. 메시지마다 몇 바이트만 더합니다.", "One connection, both ways, a few bytes around a message."),
  },
  "socketio-polling": {
    title: t("Socket.IO · 폴링", "Socket.IO · polling"),
    about: t("라이브러리의 소켓을 롱 폴링 위에서.", "The library’s socket over long polling."),
  },
  "socketio-websocket": {
    title: "Socket.IO · WebSocket",
    about: t("같은 소켓을 WebSocket 위에서.", "The same socket over WebSocket."),
  },
};

export const STATES = {
  off: t("멈춤", "stopped"),
  connecting: t("연결하는 중", "connecting"),
  open: t("연결됨", "connected"),
  waiting: t("다시 연결하는 중", "reconnecting"),
  cut: t("끊김", "cut off"),
  ended: t("서버가 끝냄", "ended by the server"),
  missing: t("클라이언트 없음", "no client"),
};
