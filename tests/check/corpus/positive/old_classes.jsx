// Classes of React before there were classes, and elements of the page.
var React = require("react");
var io = require("socket.io-client");
var createReactClass = require("create-react-class");

var Tides = React.createClass({
  componentWillMount: function () {
    this.line = io("/tides"); // expect: client-in-handler
    this.line.on("high", this.show);
  },
});

var Winds = createReactClass({
  componentDidMount() {
    socket.on("gust", (gust) => this.setState({ gust })); // expect: listener-without-cleanup
  },
});

class Buoy extends LitElement {
  constructor() {
    super();
    socket.on("drift", (place) => this.requestUpdate("place", place)); // expect: listener-without-cleanup
  }
}
