//! The signaling WebSocket: the connection, and the messages that this client understands.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde::Deserialize;
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderValue, Uri, header};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket, client::client_with_config};

use crate::error::SwarmError;
use crate::tls;

const PATH: &str = "/api/rtc/signaling";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// How a connection that ends without a closing frame is told (RFC 6455, section 7.1.5).
const ABNORMAL_CLOSURE: u16 = 1006;

/// Where and as whom to connect.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// `ws://host:port` or `wss://host:port`; the path is the protocol's.
    pub url: String,
    /// Access token for the upgrade request.
    pub bearer: Option<String>,
    pub origin: Option<String>,
    /// The certificate that a `wss://` server must present, in PEM.
    pub certificate: Option<PathBuf>,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Message(Value),
    /// The connection is over.
    Closed {
        code: u16,
    },
}

/// Which user is on which slot, as told by TRACKS.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    pub mid: String,
    pub user_id: Option<String>,
}

/// The signaling connection; it never blocks once it stands.
pub struct Signaling {
    socket: WebSocket<Transport>,
    closed: bool,
    unsent: bool,
    connected: bool,
}

impl Signaling {
    /// Connects and upgrades, which may block for some seconds.
    ///
    /// # Errors
    /// `Refused` if the server answers the upgrade with another status, `Io` and `Signaling` for other failures.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, SwarmError> {
        let uri: Uri = endpoint
            .url
            .parse()
            .map_err(|_| SwarmError::Usage(format!("{} is no URL", endpoint.url)))?;
        let transport = Transport::connect(&uri, endpoint)?;
        let mut request = format!("{}{PATH}", endpoint.url.trim_end_matches('/'))
            .into_client_request()
            .map_err(|error| SwarmError::Usage(error.to_string()))?;
        let headers = request.headers_mut();
        if let Some(bearer) = &endpoint.bearer {
            headers.insert(
                header::AUTHORIZATION,
                header_value(&format!("Bearer {bearer}"))?,
            );
        }
        if let Some(origin) = &endpoint.origin {
            headers.insert(header::ORIGIN, header_value(origin)?);
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
        let (socket, _) =
            client_with_config(request, transport, Some(config)).map_err(|error| match error {
                HandshakeError::Failure(Error::Http(response)) => SwarmError::Refused {
                    status: response.status().as_u16(),
                },
                HandshakeError::Failure(error) => SwarmError::Signaling(error.to_string()),
                HandshakeError::Interrupted(_) => {
                    SwarmError::Signaling("the upgrade took too long".to_owned())
                }
            })?;
        socket.get_ref().tcp().set_nonblocking(true)?;
        Ok(Self {
            socket,
            closed: false,
            unsent: false,
            connected: true,
        })
    }

    /// The address on the route to the server.
    pub fn local_ip(&self) -> io::Result<IpAddr> {
        Ok(self.socket.get_ref().tcp().local_addr()?.ip())
    }

    /// What to poll for reading; `None` when nothing can be heard.
    pub fn source(&self) -> Option<BorrowedFd<'_>> {
        (self.connected && !self.closed).then(|| self.socket.get_ref().tcp().as_fd())
    }

    /// Loses the network, or finds it again: TCP then goes on where it stopped.
    pub fn set_network(&mut self, connected: bool) {
        self.connected = connected;
    }

    /// Whether something waits until the connection can be written to.
    pub fn is_unsent(&self) -> bool {
        self.unsent && self.connected && !self.closed
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends one message, or keeps it until it can be sent.
    pub fn send(&mut self, message: &Value) {
        if !self.closed {
            self.unsent = true;
            // What goes wrong here is heard when reading.
            let _ = self.socket.write(Message::text(message.to_string()));
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        if self.connected && self.socket.flush().is_ok() {
            self.unsent = false;
        }
    }

    /// Closes the connection as a page does that goes away.
    pub fn close(&mut self) {
        if !self.closed {
            self.unsent = true;
            let _ = self.socket.write(Message::Close(None));
            self.flush();
        }
    }

    /// The next thing that was heard; `None` when there is nothing more for now.
    pub fn hear(&mut self) -> Option<Heard> {
        while self.connected && !self.closed {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message = serde_json::from_str(text.as_str())
                        .unwrap_or_else(|_| text.as_str().into());
                    return Some(Heard::Message(message));
                }
                Ok(Message::Close(frame)) => {
                    self.closed = true;
                    let _ = self.socket.flush();
                    let code = frame.map_or(ABNORMAL_CLOSURE, |frame| frame.code.into());
                    return Some(Heard::Closed { code });
                }
                Ok(_) => {} // pings are answered by the library
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.closed = true;
                    return Some(Heard::Closed {
                        code: ABNORMAL_CLOSURE,
                    });
                }
            }
        }
        None
    }
}

fn header_value(text: &str) -> Result<HeaderValue, SwarmError> {
    HeaderValue::from_str(text)
        .map_err(|_| SwarmError::Usage("a header's value has impossible characters".to_owned()))
}

/// TCP, with or without TLS.
enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    fn connect(uri: &Uri, endpoint: &Endpoint) -> Result<Self, SwarmError> {
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => {
                return Err(SwarmError::Usage(
                    "the URL must begin with ws:// or wss://".to_owned(),
                ));
            }
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let address = (host, port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| SwarmError::Usage(format!("{host} has no address")))?;
        let tcp = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        tcp.set_write_timeout(Some(HANDSHAKE_TIMEOUT))?;
        if !secure {
            return Ok(Self::Plain(tcp));
        }
        let certificate = endpoint
            .certificate
            .as_ref()
            .ok_or_else(|| SwarmError::Usage("wss:// needs --certificate".to_owned()))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| SwarmError::Usage(format!("{host} is no server's name")))?;
        let connection = ClientConnection::new(tls::pinned(certificate)?, name)
            .map_err(|error| SwarmError::Signaling(error.to_string()))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
