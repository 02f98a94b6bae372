// What browsers keep of logins for one instance.

/// The cookies of logins: their attempts, how they went lately, the forms that wait for them; and their states.
struct LoginKeeping: Sendable {
    let cookies: LoginCookies
    let states: LoginState
    let rounds: LoginRounds
    let forms: FormCookie

    init(id: String, _ login: OpenIDConnectSettings.LoginChoice, _ ring: SealingKeyRing) {
        cookies = LoginCookies(
            name: login.cookieName,
            attributes: login.cookie,
            seal: SealedCookie(purpose: "login \(id)", ring: ring),
            seconds: login.seconds
        )
        states = LoginState(id: id, seal: SealedCookie(purpose: "target \(id)", ring: ring))
        rounds = LoginRounds(cookies, id: id)
        forms = FormCookie(cookies, id: id)
    }
}

extension OpenIDConnect {
    var loginCookies: LoginCookies { logins.cookies }
    var states: LoginState { logins.states }
    var rounds: LoginRounds { logins.rounds }
    var forms: FormCookie { logins.forms }
}
