// The texts of our pages in other languages than English.

/// Texts by the English one, which stands where it is used.
///
/// What an operator wrote is not here, and is shown as it was written.
enum PageText {
    /// German; addressed to a reader whom we do not know.
    static let german: [String: String] = [
        // Refusals
        "Unauthorized": "Nicht angemeldet",
        "Forbidden": "Kein Zutritt",
        "Not found": "Nicht gefunden",
        "no Route matched with those values": "Zu dieser Adresse gibt es hier nichts",
        "no Service found with those values": "Hinter dieser Adresse steht kein Dienst",
        "Bad request": "Die Anfrage ist fehlerhaft",
        "Method not allowed": "Diese Methode ist hier nicht erlaubt",
        "You cannot consume this service": "Dieser Dienst steht Ihnen nicht offen",
        "API rate limit exceeded": "Zu viele Anfragen; bitte warten Sie etwas",
        "No required TLS certificate was sent": "Das verlangte TLS-Zertifikat wurde nicht vorgelegt",
        "TLS certificate failed verification": "Das TLS-Zertifikat hat die Prüfung nicht bestanden",
        "Misdirected Request": "Diese Verbindung gehört zu einer anderen Adresse",
        "The service is temporarily unavailable": "Der Dienst ist vorübergehend nicht erreichbar",
        "An unexpected error occurred": "Es ist ein unerwarteter Fehler aufgetreten",
        "Request timeout": "Die Anfrage kam nicht rechtzeitig an",
        "Payload too large": "Die Anfrage ist zu groß",
        "URI too long": "Die Adresse ist zu lang",
        "An invalid response was received from the upstream server":
            "Der Dienst dahinter hat falsch geantwortet",
        "The upstream server is currently unavailable": "Der Dienst dahinter ist gerade nicht erreichbar",
        "The upstream server is timing out": "Der Dienst dahinter antwortet nicht rechtzeitig",
        "failure to get a peer from the ring-balancer": "Vom Dienst dahinter ist gerade kein Server bereit",
        "name resolution failed": "Der Name des Dienstes dahinter lässt sich nicht auflösen",
        "Status {} · request {}": "Status {} · Anfrage {}",
        // Logins
        "This login cannot be completed; please start again":
            "Diese Anmeldung lässt sich nicht abschließen; bitte beginnen Sie neu",
        "Your identity provider has to ask you first": "Ihr Anmeldedienst muss Sie zuerst etwas fragen",
        "The identity provider is unavailable": "Der Anmeldedienst ist nicht erreichbar",
        "The login does not hold in this browser": "Die Anmeldung hält in diesem Browser nicht",
        "The login succeeded twice, and each time the browser came back without it. Does it refuse cookies?":
            "Die Anmeldung ist zweimal gelungen, und jedes Mal kam der Browser ohne sie zurück. Nimmt er keine Cookies an?",
        "You are signed in": "Sie sind angemeldet",
        "Start again": "Neu beginnen",
        "Try again": "Noch einmal versuchen",
        "This address cannot be returned to": "Zu dieser Adresse darf eine Anmeldung nicht führen",
        "There is no login for this address": "Für diese Adresse gibt es keine Anmeldung",
        "You are signed in, but you may not enter here.":
            "Sie sind angemeldet, dürfen hier aber nicht hinein.",
        "Sign in again": "Erneut anmelden",
        "Sign in": "Anmelden",
        "Choose how to sign in.": "Wählen Sie, wie Sie sich anmelden.",
        // Forms that were sent without a session
        "Send what you had entered?": "Ihre Eingaben absenden?",
        "Your session had ended when you sent a form. You are signed in now, and nothing has been sent yet.":
            "Ihre Sitzung war zu Ende, als Sie ein Formular abgesandt haben. Sie sind nun angemeldet, und noch ist nichts abgesandt.",
        "It will be sent to {}": "Es geht an {}",
        "Send": "Absenden",
        "Do not send it": "Nicht absenden",
        "What you had entered is no longer here": "Ihre Eingaben sind nicht mehr da",
        "Nothing has been sent just now. It is kept for ten minutes, to be sent once; a restart of the gateway may lose it.":
            "Eben wurde nichts abgesandt. Aufgehoben werden sie zehn Minuten lang und einmal abgesandt; ein Neustart des Gateways kann sie verlieren.",
        "Go on": "Weiter",
        "You are not signed in, and nothing has been sent":
            "Sie sind nicht angemeldet, und nichts wurde abgesandt",
        "What you sent cannot be kept until you are. Sign in beside this page, then come back and reload it: your browser sends everything again.":
            "Was Sie abgesandt haben, lässt sich bis dahin nicht aufheben. Melden Sie sich neben dieser Seite an, kommen Sie zurück und laden Sie sie neu: Ihr Browser sendet dann alles noch einmal.",
        // Services and sessions
        "Sessions cannot be looked up at the moment": "Sitzungen lassen sich gerade nicht nachsehen",
        "The body is not a form": "Der Inhalt ist kein Formular",
        "The body is not a JSON array": "Der Inhalt ist keine JSON-Liste",
        "The parameter token is missing": "Der Parameter token fehlt",
        "Not a call of gRPC": "Das ist kein Aufruf von gRPC",
        "Unknown service": "Diesen Dienst gibt es hier nicht",
        "Unknown method": "Diese Methode gibt es hier nicht",
        "Too many calls watch already": "Es sehen schon zu viele Aufrufe zu",
        "The message cannot be read": "Die Nachricht ist nicht lesbar",
        "The message is too large": "Die Nachricht ist zu groß",
        // Sign-outs
        "Sign out": "Abmelden",
        "This ends your session here and at your identity provider.":
            "Das beendet Ihre Sitzung hier und beim Anmeldedienst.",
        "You are signed out": "Sie sind abgemeldet",
        "Back to the start": "Zurück zum Anfang",
    ]
}
