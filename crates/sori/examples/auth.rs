//! Who may come in: a middleware looks at the token, refuses with data, and remembers the user.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { token: "ada-secret" } });
//! socket.on("welcome", name => …);
//! socket.on("connect_error", error => error.data);    // { code: 401 }
//! ```

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use sori::{Auth, ConnectError, Data, EmitError, Namespace, Server, Socket, State};

#[derive(Deserialize)]
struct Login {
    token: String,
}

#[derive(Clone)]
struct User {
    name: String,
}

/// Stands for a database.
#[derive(Clone)]
struct Users(Arc<HashMap<String, User>>);

/// An `auth` payload without a token does not reach this: its client is refused with the reason.
async fn authenticate(socket: Socket, Auth(login): Auth<Login>, State(users): State<Users>) -> Result<(), ConnectError> {
    let Some(user) = users.0.get(&login.token) else {
        return Err(ConnectError::new("not authorized").data(&serde_json::json!({ "code": 401 })));
    };
    // All connections of one user are in one room.
    socket.join(format!("user:{}", user.name));
    socket.data().insert(user.clone());
    Ok(())
}

async fn welcome(socket: Socket) -> Result<(), EmitError> {
    let user = socket.data().get::<User>().expect("the middleware has put it there");
    socket.emit("welcome", &user.name)?;
    Ok(())
}

/// Reaches every connection of another user.
async fn whisper(socket: Socket, Data((to, text)): Data<(String, String)>) -> Result<(), EmitError> {
    let from = socket.data().get::<User>().expect("the middleware has put it there");
    socket.to(format!("user:{to}")).emit("whisper", &(from.name, text))?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users = ["ada", "grace"].map(|name| (format!("{name}-secret"), User { name: name.into() }));
    let io = Server::builder()
        .state(Users(Arc::new(users.into())))
        .namespace("/", Namespace::new().middleware(authenticate).on_connect(welcome).on("whisper", whisper))
        .build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
